"""Bounded theta: near the identity as if it were not, never further away than it may be, and saved."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from cpabx.layers import LAYER_NAMES
from cpabx_tensorflow import layers

SHAPE = (12, 10, 2)
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


def images(n=3):
    return tf.constant(np.random.default_rng(0).uniform(0, 1, (n, *SHAPE)).astype("float32"))


def moved(name, by, **options):
    """A layer that predicts the identity's theta plus a number."""
    layer = getattr(layers, name)(input_shape=SHAPE, localization="fcn", **options)
    for network in layer._networks:
        network.layers[-1].bias.assign_add(np.full(network.layers[-1].bias.shape, by))
    return layer


@each_layer
def test_theta_is_the_tanh_of_the_prediction(name):
    for by in (0.01, -0.1, 1e4):
        layer = moved(name, by, bound=0.25)
        output, theta = layer(images(), return_theta=True)
        expected = layer.transformation.identity(3, backend="numpy") + 0.25 * math.tanh(by / 0.25)
        np.testing.assert_allclose(theta, expected, atol=1e-6)
        assert np.isfinite(output).all()


@each_layer
def test_training_starts_as_without_it(name):
    """The slope is 1 at the identity: the same gradients."""
    grads = []
    for options in ({}, {"bound": 2.0}):
        keras.utils.set_random_seed(0)
        layer = getattr(layers, name)(input_shape=SHAPE, **options)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(images()) ** 2)
        grads.append(tape.gradient(loss, layer.trainable_variables))
    for got, expected in zip(*grads, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "bound"), [("STCPAB", 0.5), ("STAffine", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]), ("STAffineCPAB", (0.5, None))]
)
def test_it_is_saved(name, bound, tmp_path):
    layer = moved(name, 7.0, bound=bound, dtype="float32")
    assert type(layer).from_config(layer.get_config()).get_config() == layer.get_config()
    model = keras.Sequential([keras.Input(SHAPE), layer])
    model.save(tmp_path / "model.keras")
    restored = keras.saving.load_model(tmp_path / "model.keras").layers[0]
    assert restored.bound == layer.bound
    np.testing.assert_array_equal(restored.theta(images()), layer.theta(images()))


def test_mixed_precision():
    theta = moved("STCPAB", 7.0, bound=0.1, dtype="mixed_float16").theta(images())
    assert theta.dtype == "float32"
    np.testing.assert_allclose(theta, 0.1, rtol=1e-6)
