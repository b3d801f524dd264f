"""The layers as Keras layers; what all frameworks share is in the conformance suite."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import OptionError, ShapeError
from cpabx.layers import LAYER_NAMES
from cpabx.testing.layers import LAYERS
from cpabx_tensorflow import layers

SHAPE = (12, 10, 2)
SHAPES = {1: (12, 2), 2: SHAPE, 3: (4, 6, 5, 2)}
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)
in_each_dimension = pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def images(n=4, dtype="float32", shape=SHAPE):
    return np.random.default_rng(0).uniform(0, 1, (n, *shape)).astype(dtype)


def last_layers(layer):
    return [network.layers[-1] for network in layer._networks]


def trained(layer, scale=0.05):
    """A layer away from the identity."""
    rng = np.random.default_rng(1)
    for dense in last_layers(layer):
        kernel, bias = dense.get_weights()
        dense.set_weights([kernel + scale * rng.standard_normal(kernel.shape), bias])
    return layer


def make(kind, **options):
    return getattr(layers, kind)(input_shape=SHAPE, **options)


def listed(layer, **options):
    """A layer of the conformance suite's list, and the shape of its input."""
    return getattr(layers, layer.name)(**layer.arguments, **options), SHAPES[layer.family.ndim]


@each_layer
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_starts_at_the_identity(name, localization):
    layer = make(name, localization=localization)
    identity = layer.transformation.identity(4, backend="numpy")
    np.testing.assert_array_equal(layer.theta(images()), identity)
    np.testing.assert_allclose(layer(images()), images(), atol=1e-6)


@in_each_dimension
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_all_weights_get_finite_gradients_from_the_first_step(layer, localization):
    """In a graph; eagerly, their values are compared with differences."""
    layer, shape = listed(layer, localization=localization)
    layer.build((None, *shape))

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(x) ** 2)
        return tape.gradient(loss, layer.trainable_variables)

    grads = gradients(tf.constant(images(shape=shape)))
    assert all(g is not None and np.isfinite(g).all() for g in grads)
    for dense in last_layers(layer):
        index = [v is dense.kernel for v in layer.trainable_variables].index(True)
        assert np.any(grads[index])


@pytest.mark.parametrize("name", [*LAYER_NAMES, "STAffineDiffeo-1D", "STCPAB-3D"])
def test_fit_reduces_the_loss(name):
    """A layer learns to undo a shift along x, in a graph with unknown batch size."""
    layer, shape = listed(LAYERS[name], padding_mode="border")
    x = images(32, shape=shape)
    y = np.roll(x, 1, axis=-2)
    model = keras.Sequential([keras.Input(shape), layer])
    model.compile(keras.optimizers.Adam(1e-3), "mse")
    assert not model.jit_compile
    assert model.layers[0].supports_jit is False
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, batch_size=10, epochs=2, verbose=0)  # the last batch is smaller
    assert model.evaluate(x, y, verbose=0) < before


def test_functional_model_knows_its_shapes():
    inputs = keras.Input(SHAPE)
    outputs = layers.STCPAB((2, 2), output_size=(5, 6), name="warp")(inputs)
    assert outputs.shape == (None, 5, 6, 2)
    model = keras.Model(inputs, keras.layers.Flatten()(outputs))
    assert model(images()).shape == (4, 60)
    assert model.predict(images(), verbose=0).shape == (4, 60)
    assert model.get_layer("warp").compute_output_shape((7, *SHAPE)) == (7, 5, 6, 2)


@in_each_dimension
@pytest.mark.parametrize("resized", [False, True])
def test_shapes_are_known_in_advance(layer, resized):
    size = (3, 7, 9)[-layer.family.ndim :]
    layer, shape = listed(layer, output_size=size if resized else None)
    inputs = keras.Input(shape)
    outputs = layer(inputs)
    assert outputs.shape == (None, *(size if resized else shape[:-1]), 2)
    assert keras.Model(inputs, outputs)(images(shape=shape)).shape[1:] == outputs.shape[1:]


@in_each_dimension
def test_built_by_shape_or_by_input(layer):
    late, shape = listed(layer)
    early, _ = listed(layer, input_shape=shape)
    assert early.built
    assert not late.built
    x = images(shape=shape)
    assert late.theta(x).shape == (4, late.transformation.n_params)  # builds
    assert [w.shape for w in late.weights] == [w.shape for w in early.weights]
    late.set_weights(trained(early).get_weights())
    np.testing.assert_array_equal(late(x), early(x))


def test_theta_is_what_warps():
    layer = trained(make("STCPAB"))
    warped = layer.transformation.warp(tf.constant(images()), layer.theta(images()))
    np.testing.assert_array_equal(layer(images()), warped)


@pytest.mark.parametrize("interpolate", ["once", "twice"])
def test_affine_cpab_composes_its_two_maps(interpolate):
    layer = trained(make("STAffineCPAB", interpolate=interpolate))
    x, theta = tf.constant(images()), layer.theta(images())
    if interpolate == "once":
        expected = layer.transformation.warp(x, theta)
    else:
        between = layer.transformation.outer.warp(x, theta[:, :6])
        expected = layer.transformation.inner.warp(between, theta[:, 6:])
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)


# -- options ---------------------------------------------------------------------------------------


def test_keras_options_are_taken():
    layer = make("STAffine", name="mine", trainable=False, dtype="float64")
    assert layer.name == "mine"
    assert layer.trainable_variables == []
    assert layer(images(dtype="float64")).dtype == "float64"
    np.testing.assert_allclose(layer(images(dtype="float64")), images(dtype="float64"), atol=1e-14)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16"])
def test_half_precision_moves_nothing(dtype):
    """Computed in float32, returned in the compute dtype."""
    layer = make("STAffineCPAB", dtype=dtype)
    warped = layer(images())
    assert warped.dtype == layer.compute_dtype
    assert layer.theta(images()).dtype == "float32"
    # Equal but for the last rounding to the compute dtype.
    half = tf.cast(images(), layer.compute_dtype)
    np.testing.assert_allclose(tf.cast(warped, "float32"), tf.cast(half, "float32"), rtol=2**-7)
    assert trained(layer)(images()).dtype == layer.compute_dtype


def test_mixed_precision_trains():
    model = keras.Sequential([keras.Input(SHAPE), layers.STCPAB((2, 2), dtype="mixed_float16")])
    model.compile("adam", "mse")
    history = model.fit(images(), np.roll(images(), 1, 2), epochs=2, verbose=0).history["loss"]
    assert np.isfinite(history).all()


@pytest.mark.parametrize(
    "options",
    [{"localization": "mlp"}, {"localization": 3}, {"padding_mode": "periodic"}, {"output_size": (0, 3)}],
    ids=str,
)
def test_unknown_options_are_refused(options):
    with pytest.raises(OptionError):
        layers.STCPAB((2, 2), **options)


def test_channels_first_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(OptionError, match="set_image_data_format"):
        layers.STAffine()


@pytest.mark.parametrize("shape", [(12, 10), (0, 10, 1), 12])
def test_impossible_input_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match="input_shape"):
        layers.STAffine(input_shape=shape)


def test_images_of_other_ranks_are_refused():
    with pytest.raises(ShapeError, match=r"\(N, H, W, C\)"):
        layers.STAffine().theta(np.zeros((4, 5, 5)))


def test_localization_of_the_user():
    net = keras.Sequential([keras.layers.Conv2D(3, 3), keras.layers.Dropout(0.5), keras.layers.Flatten()])
    layer = trained(layers.STCPAB((2, 2), localization=net, input_shape=SHAPE), 1.0)
    assert layer.localization.layers[0] is net
    assert len(layer.weights) == 4
    np.testing.assert_array_equal(layer.theta(images()), layer.theta(images(), training=False))
    assert np.any(layer.theta(images(), training=True) != layer.theta(images()))


# -- saving ----------------------------------------------------------------------------------------


@keras.saving.register_keras_serializable(package="tests")
class Squeeze(keras.layers.Layer):
    """A localization network that a user wrote."""

    def call(self, x):
        return keras.ops.mean(x, axis=(1, 2))


def net():
    return keras.Sequential([keras.layers.Conv2D(3, 3, activation="relu"), keras.layers.GlobalAveragePooling2D()])


ARGUMENTS = [
    ("STAffine", {"localization": "fcn"}),
    ("STAffineDiffeo", {"localization": keras.layers.GlobalAveragePooling2D}),
    ("STHomography", {"padding_mode": "border", "align_corners": True}),
    ("STThinPlateSpline", {"control_points": (3, 5), "output_size": (6, 7)}),
    ("STCPAB", {"cells": (2, 3)}),
    ("STCPAB", {"cells": cpabx.Cpab((2, 2), boundary="sliding", domain=(0, 1)), "localization": net}),
    ("STCPAB", {"cells": cpabx.Cpab((2, 2), basis="nodal", outside="nearest")}),
    ("STAffineCPAB", {"cells": (2, 2), "interpolate": "twice", "localization": (net, "fcn")}),
    ("STAffineCPAB", {"cells": (2, 2), "localization": (net, Squeeze)}),
    ("STAffine", {"ndim": 1, "output_size": (7,)}),
    ("STAffineDiffeo", {"ndim": 3, "localization": "fcn"}),
    ("STCPAB", {"cells": (5,), "mode": "nearest"}),
    ("STAffineCPAB", {"cells": cpabx.Cpab((2, 1, 2), boundary="sliding"), "output_size": (3, 4, 5)}),
]
each_argument = pytest.mark.parametrize(("name", "arguments"), ARGUMENTS, ids=lambda a: a if isinstance(a, str) else "")


def made(name, arguments):
    """A layer; networks are made anew for each."""
    arguments = dict(arguments)
    given = arguments.get("localization")
    if isinstance(given, tuple):
        arguments["localization"] = [n if isinstance(n, str) else n() for n in given]
    elif callable(given):
        arguments["localization"] = given()
    return getattr(layers, name)(**arguments)


@each_argument
def test_config_makes_an_equal_layer(name, arguments):
    layer = made(name, arguments)
    other = type(layer).from_config(layer.get_config())
    assert other.transformation == layer.transformation
    assert other.options == layer.options
    assert other.get_config() == layer.get_config()


@each_argument
def test_saved_models_load_again(name, arguments, tmp_path):
    layer = made(name, arguments)
    shape = SHAPES[layer.transformation.ndim]
    model = keras.Sequential([keras.Input(shape), layer])
    trained(layer)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(restored(images(shape=shape)), model(images(shape=shape)))


def test_basis_arrays_are_saved(tmp_path):
    fields = np.zeros((16 * 6, 2))
    fields[2::6, 0] = fields[5::6, 1] = 1  # two translations
    layer = trained(layers.STCPAB(cpabx.Cpab((2, 2), basis=fields), input_shape=SHAPE))
    model = keras.Sequential([keras.Input(SHAPE), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.layers[0].transformation == layer.transformation
    np.testing.assert_array_equal(restored(images()), model(images()))


@each_layer
def test_models_load_in_a_new_process(name, tmp_path):
    """Functional model, no custom_objects: choosing the backend is enough."""
    inputs = keras.Input(SHAPE)
    layer = getattr(layers, name)()
    model = keras.Model(inputs, keras.layers.Flatten()(layer(inputs)))
    trained(layer)
    model.save(tmp_path / "model.keras")
    np.savez(tmp_path / "data.npz", images=images(), expected=model(images()))
    code = """
        import keras, numpy as np, cpabx
        cpabx.set_backend("tensorflow")
        model = keras.saving.load_model("model.keras")
        data = np.load("data.npz")
        np.testing.assert_allclose(model.predict(data["images"], verbose=0), data["expected"], atol=1e-5)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_weights_alone_can_be_saved(tmp_path):
    layer = trained(make("STAffineCPAB"))
    keras.Sequential([keras.Input(SHAPE), layer]).save_weights(tmp_path / "it.weights.h5")
    other = make("STAffineCPAB")
    keras.Sequential([keras.Input(SHAPE), other]).load_weights(tmp_path / "it.weights.h5")
    np.testing.assert_array_equal(other(images()), layer(images()))


def test_the_frontend_makes_these_layers():
    with cpabx.use_backend("tensorflow"):
        layer = cpabx.layers.STThinPlateSpline((3, 3), localization="fcn")
    assert isinstance(layer, layers.STThinPlateSpline)


@pytest.mark.parametrize(
    "family",
    [
        cpabx.Composition(
            cpabx.Cpab((3, 2), boundary="sliding"), cpabx.AffineDiffeo(), cpabx.Cpab((2, 2), basis="nodal")
        ),
        cpabx.Similarity(),
        cpabx.ThinPlateSpline((3, 2)),
    ],
    ids=repr,
)
def test_any_family_is_saved(tmp_path, family):
    layer = trained(layers.SpatialTransformer(family, input_shape=SHAPE))
    model = keras.Sequential([keras.Input(SHAPE), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    assert restored.layers[0].transformation == family
    assert np.array_equal(restored(images()), model(images()))


def test_a_family_of_the_users_is_saved_if_keras_can_make_it_again(tmp_path):
    class Own(cpabx.Affine):
        pass

    def saved(family):
        model = keras.Sequential([keras.Input(SHAPE), layers.SpatialTransformer(family, input_shape=SHAPE)])
        model.save(tmp_path / "model.keras")
        return keras.saving.load_model(tmp_path / "model.keras").layers[0].transformation

    with pytest.raises(cpabx.errors.UnsupportedError, match=r"Own of .*register_keras_serializable"):
        saved(Own())

    @keras.saving.register_keras_serializable(package="test")
    class Registered(Own):
        def get_config(self):
            return self.config

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    family = cpabx.Composition(Registered(), cpabx.Cpab((2, 2)))
    assert saved(family) == family
