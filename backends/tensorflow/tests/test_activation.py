"""Activations that are diffeomorphisms, as layers of Keras."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import OptionError, ShapeError
from cpabx.layers import CPABActivation


def trained(channels=None, cells=6, dtype="float64"):
    layer = CPABActivation(channels, cells, backend="tensorflow", dtype=dtype)
    layer.theta.assign(0.7 * np.random.default_rng(1).normal(size=layer.theta.shape))
    return layer


def values_of(*shape):
    return 2 * np.random.default_rng(0).normal(size=shape)


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (2, 3, 4, 5)])
def test_values_are_those_of_the_family(shape):
    layer, x = trained(), values_of(*shape)
    expected = layer.transformation.transform(x.reshape(-1, 1), layer.theta.numpy()).reshape(shape)
    np.testing.assert_allclose(layer(x), expected, atol=1e-12)
    np.testing.assert_allclose(layer.inverse(layer(x)), x, atol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 5, 3)])
def test_each_channel_has_its_own(shape):
    layer, x = trained(3), values_of(*shape)
    y = layer(x).numpy()
    for channel in range(3):
        own, theta = x[..., channel], layer.theta.numpy()[channel : channel + 1]
        expected = layer.transformation.transform(own.reshape(-1, 1), theta).reshape(own.shape)
        np.testing.assert_allclose(y[..., channel], expected, atol=1e-12)


@pytest.mark.parametrize("channels", [None, 3])
def test_gradients_by_central_differences(channels):
    layer, x = trained(channels), tf.constant(values_of(5, 3))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(tf.sin(layer(x)))
    by_x, by_theta = tape.gradient(loss, (x, layer.theta))
    start, step, rng = layer.theta.numpy(), 1e-6, np.random.default_rng(2)
    u, w = rng.normal(size=x.shape), rng.normal(size=start.shape)
    ends = []
    for sign in (1, -1):
        layer.theta.assign(start + sign * step * w)
        ends.append(tf.reduce_sum(tf.sin(layer(x + sign * step * u))).numpy())
    expected = (ends[0] - ends[1]) / (2 * step)
    np.testing.assert_allclose(np.sum(by_x * u) + np.sum(by_theta * w), expected, rtol=1e-7)


def test_half_precision_is_rounded_once():
    layer, x = trained(dtype="mixed_float16"), tf.constant(values_of(5, 3), tf.float16)
    y = layer(x)
    assert y.dtype == tf.float16
    single = trained(dtype="float32")(tf.cast(x, tf.float32))
    np.testing.assert_array_equal(y, tf.cast(single, tf.float16))


def test_a_model_learns_and_is_saved(tmp_path):
    x = values_of(64, 3).astype("float32")
    family = cpabx.Cpab(8, domain=(-4, 4), boundary="fixed", basis="nodal")
    model = keras.Sequential([keras.Input((3,)), CPABActivation(3, family, backend="tensorflow")])
    model.compile("adam", "mse")
    model.fit(x, np.tanh(x), epochs=2, verbose=0)
    assert model.layers[0].theta.numpy().any()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    assert again.layers[0].transformation == family


def test_refusals():
    with pytest.raises(OptionError, match="channels"):
        CPABActivation(-1, backend="tensorflow")
    with pytest.raises(ShapeError, match="C = 3"):
        CPABActivation(3, backend="tensorflow")(np.zeros((2, 4), "float32"))
