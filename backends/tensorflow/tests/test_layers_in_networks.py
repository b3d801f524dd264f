"""Layers in a row, in the middle of a network, side by side: their gradients, and that they are saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cpabx.testing.layers import LAYERS
from cpabx_tensorflow import layers
from cpabx_tensorflow.localization import Halving3D

SHAPES = {1: (12, 2), 2: (12, 10, 2), 3: (4, 6, 5, 2)}
SHAPE = SHAPES[2]
OPTIONS = {"padding_mode": "border", "dtype": "float64"}
STEP = 1e-6


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def images(n=2, shape=SHAPE, dtype="float64"):
    return np.random.default_rng(0).uniform(0, 1, (n, *shape)).astype(dtype)


def made(layer, **options):
    shape = SHAPES[layer.family.ndim]
    return getattr(layers, layer.name)(input_shape=shape, **layer.arguments, **OPTIONS, **options)


def trained(*given):
    """Layers away from the identity."""
    rng = np.random.default_rng(1)
    for layer in given:
        for network in layer._networks:
            kernel, bias = network.layers[-1].get_weights()
            network.layers[-1].set_weights([kernel + 0.05 * rng.standard_normal(kernel.shape), bias])
    return given[0]


def check_gradients(function, weights, x):
    """Of the input and all weights, against central differences along a random direction each."""
    rng = np.random.default_rng(2)
    x = tf.Variable(x)
    cotangent = rng.standard_normal(function(x).shape)
    leaves = [x, *(weight.value for weight in weights)]

    def loss():
        return tf.reduce_sum(function(x) * cotangent)

    def loss_at(leaf, value):
        leaf.assign(value)
        return loss()

    with tf.GradientTape() as tape:
        value = loss()
    for leaf, grad in zip(leaves, tape.gradient(value, leaves), strict=True):
        direction, at = rng.standard_normal(leaf.shape), leaf.numpy()
        ahead, behind = (loss_at(leaf, at + sign * STEP * direction) for sign in (1, -1))
        leaf.assign(at)
        expected = (ahead - behind) / (2 * STEP)
        np.testing.assert_allclose(tf.reduce_sum(grad * direction), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("localization", ["cnn", "fcn"])
def test_gradients(layer, localization):
    made_layer = trained(made(layer, localization=localization))
    check_gradients(made_layer, made_layer.trainable_variables, images(shape=SHAPES[layer.family.ndim]))


@pytest.mark.parametrize("name", ["STCPAB-1D", "STAffineDiffeo", "STAffineCPAB", "STCPAB-3D"])
def test_gradients_of_shared_weights_add_up(name):
    layer = trained(made(LAYERS[name]))
    x = images(shape=SHAPES[LAYERS[name].family.ndim])
    check_gradients(lambda x: layer(layer(x)), layer.trainable_variables, x)


def test_gradients_in_the_middle_of_a_network():
    """Feature maps of 7 channels and odd sizes, another size of the result, more layers before and after."""
    first = layers.STAffineCPAB((2, 2), output_size=(7, 5), **OPTIONS)
    second = layers.STThinPlateSpline((2, 2), localization="fcn", **OPTIONS)
    model = keras.Sequential(
        [
            keras.Input(SHAPE, dtype="float64"),
            keras.layers.Conv2D(7, 4, dtype="float64"),
            first,
            keras.layers.Conv2D(3, 3, activation="tanh", dtype="float64"),
            second,
        ]
    )
    trained(first, second)
    assert model.output_shape == (None, 5, 3, 3)
    check_gradients(model, model.trainable_variables, images())


def parallel(merge="channels", **options):
    options = {"output_size": (6, 5), **options}
    return layers.STParallel([layers.STCPAB((2, 2), **options), layers.STAffineDiffeo(**options)], merge=merge)


def test_gradients_of_layers_side_by_side():
    layer = parallel(**OPTIONS)
    layer.build((None, *SHAPE))
    trained(*layer.layers)
    assert len(layer.trainable_variables) == sum(len(one.trainable_variables) for one in layer.layers)
    check_gradients(layer, layer.trainable_variables, images())


def recurrent(inputs):
    layer = layers.STCPAB((2, 2), name="warp")
    return layer(layer(layer(inputs)))


@pytest.mark.parametrize(
    ("make", "shapes"),
    [
        (recurrent, [(12, 10, 2)]),
        (parallel(), [(6, 5, 4)]),
        (parallel(None), [(6, 5, 2)] * 2),
        (layers.STParallel([layers.STAffine(output_size=(3, 3)), layers.STCPAB()]), [(3, 3, 2), (12, 10, 2)]),
    ],
    ids=["in a row", "channels", "list", "several sizes"],
)
def test_models_know_their_shapes_and_load_again(make, shapes, tmp_path):
    inputs = keras.Input(SHAPE)
    outputs = make(inputs)
    model = keras.Model(inputs, outputs)
    for weight in model.trainable_variables:
        weight.assign_add(0.01 * np.random.default_rng(3).standard_normal(weight.shape))
    model.save(tmp_path / "model.keras")
    x = images(dtype="float32")
    restored = keras.saving.load_model(tmp_path / "model.keras")
    for results in (model(x), model.predict(x, verbose=0), restored(x)):
        assert [tuple(result.shape[1:]) for result in tf.nest.flatten(results)] == shapes
        for got, expected in zip(tf.nest.flatten(results), tf.nest.flatten(model(x)), strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-6)
    assert len(restored.trainable_variables) == len(model.trainable_variables)


def test_layers_side_by_side_train():
    model = keras.Sequential([keras.Input(SHAPE), parallel(), keras.layers.Flatten(), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    assert not model.jit_compile
    x = images(8, dtype="float32")
    losses = model.fit(x, x.mean((1, 2, 3)), epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_layers_side_by_side_in_half_precision():
    """The result has the compute dtype of the whole."""
    options = {"dtype": "mixed_float16"}
    layer = layers.STParallel([layers.STAffine(**options), layers.STCPAB(**options)], merge="channels", **options)
    assert layer(images(dtype="float32")).dtype == "float16"


@pytest.mark.parametrize("size", [(4, 6, 2), (5, 1, 3), (1, 1, 1)], ids=str)
def test_volumes_are_halved_as_by_max_pooling(size):
    x = np.random.default_rng(4).standard_normal((2, *size, 3)).astype("float32")
    ours, keras_own = Halving3D(), keras.layers.MaxPooling3D(2, padding="same")
    np.testing.assert_array_equal(ours(x), keras_own(x))
    assert ours.compute_output_shape(x.shape) == ours(x).shape == keras_own.compute_output_shape(x.shape)


def test_layers_take_every_step_of_a_sequence():
    """Keras' own way to one layer for many inputs."""
    layer = layers.STAffineCPAB((2, 2))
    inputs = keras.Input((3, *SHAPE))
    model = keras.Model(inputs, keras.layers.TimeDistributed(layer)(inputs))
    x = np.stack([images(2, dtype="float32")] * 3, axis=1)
    assert model.output_shape == (None, 3, *SHAPE)
    np.testing.assert_allclose(model.predict(x, verbose=0), x, atol=1e-5)
