"""Inputs and localization networks that do not fit each other; and those that fit more than they were made for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cpabx.errors import DtypeError, ShapeError
from cpabx.testing.layers import LAYERS
from cpabx_tensorflow import layers

CONVOLUTIONS = {1: keras.layers.Conv1D, 2: keras.layers.Conv2D, 3: keras.layers.Conv3D}
POOLINGS = {
    1: keras.layers.GlobalAveragePooling1D,
    2: keras.layers.GlobalMaxPooling2D,
    3: keras.layers.GlobalAveragePooling3D,
}
SHAPE = (12, 10, 2)


def images(shape=(2, *SHAPE)):
    return tf.constant(np.random.default_rng(0).uniform(0, 1, shape).astype("float32"))


def pooling(ndim):
    return keras.Sequential([CONVOLUTIONS[ndim](4, 3, padding="same"), POOLINGS[ndim]()])


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("late", [False, True])
def test_networks_that_pool_take_any_size(layer, late):
    ndim = layer.family.ndim
    nets = [pooling(ndim) for _ in range(2)]
    given = nets if layer.name == "STAffineCPAB" else nets[0]
    options = {} if late else {"input_shape": (*(7, 6, 5)[:ndim], 2)}
    made = getattr(layers, layer.name)(localization=given, **layer.arguments, **options)
    for size in ((7, 6, 5), (4, 9, 8), (13, 3, 6)):
        x = images((2, *size[:ndim], 2))
        np.testing.assert_allclose(made(x), x, atol=1e-5)
    with pytest.raises(ShapeError, match="number of channels"):
        made(images((2, *(7, 6, 5)[:ndim], 3)))


def test_in_a_graph():
    """Where sizes are known while it is traced, the error comes then."""
    layer = layers.STCPAB((2, 2), input_shape=SHAPE)
    with pytest.raises(ShapeError, match="Resize"):
        tf.function(layer)(images((2, 27, 23, 2)))


def test_errors_of_the_network_itself_stay():
    """Where the size is right, it is not to blame; where it is not, the network's error is the cause."""

    class Stubborn(keras.layers.Layer):
        wrong = False

        def call(self, x):
            if self.wrong:
                raise ValueError("something else")
            return keras.ops.mean(x, axis=(1, 2))

    layer = layers.STAffine(localization=Stubborn(), input_shape=SHAPE)
    layer.localization.layers[0].wrong = True
    with pytest.raises(ValueError, match="something else"):
        layer.theta(images())
    with pytest.raises(ShapeError) as caught:
        layer.theta(images((1, 5, 5, 2)))
    assert "something else" in str(caught.value.__cause__)


def test_symbolic_inputs_are_checked():
    with pytest.raises(DtypeError, match="tensor of floats"):
        layers.STCPAB((2, 2))(keras.Input(SHAPE, dtype="uint8"))
    with pytest.raises(ShapeError, match="number of channels"):
        layers.STCPAB((2, 2))(keras.Input((*SHAPE[:2], None)))


class Features(keras.layers.Layer):
    """A localization network that is one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def call(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (keras.ops.sum, r"got shape \(\)"),
        (lambda x: x[..., :0], "got shape"),
        (lambda x: (keras.ops.mean(x, (1, 2)),), "got (tuple|list)"),
        (lambda x: {"features": x}, "got dict"),
        (lambda _: None, "got NoneType"),
        (lambda x: keras.ops.tile(keras.ops.mean(x, (0, 1, 2))[None], (5, 1)), "got 5 rows for 2 images"),
        (lambda x: keras.ops.reshape(x, (-1, 6)), "Keep the batch"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_localization_networks_that_return_something_else(function, match, late):
    def call():
        options = {} if late else {"input_shape": SHAPE}
        layers.STCPAB((2, 2), localization=Features(function), **options)(images())

    with pytest.raises(ShapeError, match=match):
        call()


def test_features_may_be_one_number_each_and_not_finite():
    layer = layers.STAffine(localization=Features(lambda x: keras.ops.mean(x, (1, 2, 3))), input_shape=SHAPE)
    np.testing.assert_allclose(layer(images()), images(), atol=1e-5)
    layer.localization.layers[0].function = lambda x: keras.ops.mean(x, (1, 2, 3)) * tf.constant([1, np.nan])
    assert np.isnan(layer(images())).all((1, 2, 3)).tolist() == [False, True]


@pytest.mark.parametrize("dtype", ["int32", "complex64", "bool"])
def test_parameters_are_floats(dtype):
    with pytest.raises(DtypeError, match="floating-point"):
        layers.STAffine(dtype=dtype)
