"""Images whose size is known only when a graph runs: families, layers, models, and what is saved of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import ShapeError
from cpabx.testing.cases import draw_theta, name_of
from cpabx.testing.layers import LAYERS
from cpabx_tensorflow import layers, op_library

SIZES = ((3, 5, 6), (4, 2, 3), (2, 1, 7))
CHANNELS = 2
KINDS = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((2, 3)),
    cpabx.Cpab(4, boundary="sliding", domain=(0, 3)),
    cpabx.Cpab((2, 2), outside="nearest", domain=((0, 1), (-2, 3))),
    cpabx.Cpab((2, 1, 2)),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]
CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
POOLINGS = {n: getattr(keras.layers, f"GlobalAveragePooling{n}D") for n in (1, 2, 3)}


def draw(*shape, dtype="float32"):
    return tf.constant(np.random.default_rng(0).uniform(0, 1, shape).astype(dtype))


def of_any_size(function, ndim, d, known=()):
    """The function in a graph made before any size is known, but for those along some axes of pixels."""
    size = [n if axis in known else None for axis, n in enumerate(SIZES[0][:ndim])]
    signature = [tf.TensorSpec((None, *size, CHANNELS), "float64"), tf.TensorSpec((None, d), "float64")]
    return tf.function(function, input_signature=signature).get_concrete_function()


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("family", KINDS, ids=name_of)
def test_warp_has_the_numbers_of_known_sizes(family, align_corners):
    """That of CPAB goes through points and sampler, not the fused call: equal to rounding, and so are gradients."""
    theta = tf.constant(draw_theta(family, 3, 1))

    def run(images, theta):
        with tf.GradientTape() as tape:
            tape.watch((images, theta))
            warped = family.warp(images, theta, align_corners=align_corners, padding_mode="border")
            loss = tf.reduce_sum(tf.sin(3 * warped))
        return warped, *map(tf.convert_to_tensor, tape.gradient(loss, (images, theta)))

    graph = of_any_size(run, family.ndim, family.n_params)
    for size in SIZES:
        images = draw(3, *size[: family.ndim], CHANNELS, dtype="float64")
        for got, expected in zip(graph(images, theta), run(images, theta), strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


def test_one_size_may_be_known():
    family = cpabx.Cpab((2, 2))
    theta = tf.constant(draw_theta(family, 3, 1))
    for axis in (0, 1):
        graph = of_any_size(family.warp, 2, family.n_params, known=(axis,))
        assert graph.output_shapes.as_list()[1 + axis] == SIZES[0][axis]
        size = (3, 9) if axis == 0 else (9, 5)
        images = draw(3, *size, CHANNELS, dtype="float64")
        np.testing.assert_allclose(graph(images, theta), family.warp(images, theta), atol=1e-10)


def made(layer, **options):
    """A layer away from the identity, whose localization pools over the image."""
    ndim = layer.family.ndim

    def network():
        convolution = CONVOLUTIONS[ndim](4, 3, padding="same", activation="relu")
        return keras.Sequential([convolution, POOLINGS[ndim]()])

    networks = [network(), network()] if layer.name == "STAffineCPAB" else network()
    keras.utils.set_random_seed(0)
    return getattr(layers, layer.name)(localization=networks, **layer.arguments, **options)


def trained(layer):
    rng = np.random.default_rng(1)
    for network in layer._networks:
        kernel, bias = network.layers[-1].get_weights()
        network.layers[-1].set_weights([kernel + 0.3 * rng.standard_normal(kernel.shape), bias])


@pytest.mark.parametrize("resized", [False, True])
@pytest.mark.parametrize("name", ["STHomography", "STCPAB", "STAffineCPAB", "STAffineDiffeo-1D", "STCPAB-3D"])
def test_models_take_images_of_any_size(name, resized, tmp_path):
    """A functional model with the extras of a call: its shapes, its numbers, and the model that is loaded again."""
    layer = LAYERS[name]
    ndim = layer.family.ndim
    output_size = (4, 3, 5)[:ndim] if resized else None
    transformer = made(layer, output_size=output_size)
    inputs = keras.Input((*[None] * ndim, CHANNELS))
    outputs = transformer(inputs, return_theta=True, return_grid=True)
    size = output_size or (None,) * ndim
    shapes = [(None, *size, CHANNELS), (None, layer.family.n_params), (None, *size, ndim)]
    assert [output.shape for output in outputs] == shapes
    model = keras.Model(inputs, outputs)
    trained(transformer)
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    for size in SIZES[:2]:
        images = draw(2, *size[:ndim], CHANNELS)
        expected = transformer(images, return_theta=True, return_grid=True)
        assert np.abs(expected[1] - layer.family.identity(2)).max() > 1e-3
        for results in (model.predict(images, verbose=0), restored.predict(images, verbose=0)):
            for got, right in zip(results, expected, strict=True):
                np.testing.assert_allclose(got, right, atol=1e-4)


@pytest.mark.skipif(op_library.load() is None, reason="graphs with CPAB are saved with the op library")
@pytest.mark.parametrize("name", ["STCPAB", "STAffineCPAB", "STThinPlateSpline", "STAffine-1D", "STCPAB-3D"])
def test_saved_models_serve_any_size(name, tmp_path):
    layer = LAYERS[name]
    transformer = made(layer)
    model = keras.Sequential([keras.Input((*[None] * layer.family.ndim, CHANNELS)), transformer])
    trained(transformer)
    model.export(tmp_path / "saved", verbose=False)
    loaded = tf.saved_model.load(tmp_path / "saved")  # its functions live as long as it does
    for size in SIZES[:2]:
        images = draw(2, *size[: layer.family.ndim], CHANNELS)
        np.testing.assert_allclose(loaded.serve(images), transformer(images), atol=1e-4)


def test_models_train_on_batches_of_different_sizes():
    transformer = made(LAYERS["STAffineCPAB"], output_size=(6, 6))
    model = keras.Sequential([keras.Input((None, None, CHANNELS)), transformer])
    model.compile("adam", "mse")
    losses = [model.train_on_batch(draw(2, *size[:2], CHANNELS), np.ones((2, 6, 6, CHANNELS))) for size in SIZES]
    assert np.isfinite(losses).all()


@pytest.mark.parametrize("merge", [None, "channels"])
def test_layers_side_by_side(merge):
    layer = layers.STParallel([made(LAYERS["STCPAB"]), made(LAYERS["STAffine"])], merge=merge)
    inputs = keras.Input((None, None, CHANNELS))
    model = keras.Model(inputs, layer(inputs))
    images = draw(2, 5, 7, CHANNELS)
    for got, expected in zip(tf.nest.flatten(model(images)), tf.nest.flatten(layer(images)), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-5)


@pytest.mark.parametrize("layer", [LAYERS[f"STCPAB-{n}D"] if n != 2 else LAYERS["STCPAB"] for n in (1, 2, 3)])
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_networks_that_need_a_size_say_so(layer, localization):
    ndim = layer.family.ndim
    transformer = getattr(layers, layer.name)(
        localization=localization, output_size=(4, 4, 4)[:ndim], **layer.arguments
    )
    with pytest.raises(ShapeError, match=f"(?s)of one size.*Fix the size.*GlobalAveragePooling{ndim}D"):
        transformer(keras.Input((*[None] * ndim, 1)))


def test_what_needs_a_size_besides():
    family = cpabx.Cpab(4)
    theta = tf.zeros((1, family.n_params), "float64")

    def labels(images, theta):
        return family.warp(tf.cast(images, "int32"), theta, mode="nearest")

    def lengths(images, theta):
        return family.warp(images, theta, lengths=[3])

    for function in (labels, lengths):
        with pytest.raises(ShapeError, match="length of signals must be known for"):
            of_any_size(function, 1, theta.shape[1])
    layer = made(LAYERS["STCPAB-1D"], input_shape=(9, CHANNELS))
    graph = tf.function(lambda series: layer(series, lengths=tf.constant([2])))
    with pytest.raises(ShapeError, match="must be known for lengths"):
        graph.get_concrete_function(tf.TensorSpec((1, None, CHANNELS)))
