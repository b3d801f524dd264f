"""The fused warp as TensorFlow sees it: eagerly, in graphs, on tapes, in saved layers."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import OptionError, RangeError, UnsupportedError
from cpabx_tensorflow import layers
from cpabx_tensorflow.warp import warp

FAMILIES = {1: cpabx.Cpab(4), 2: cpabx.Cpab((3, 2)), 3: cpabx.Cpab((1, 2, 1), domain=(0, 1))}
SIZES = {1: (7,), 2: (4, 5), 3: (3, 2, 4)}
each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
each_mode = pytest.mark.parametrize("mode", ["linear", "nearest"])


def problem(ndim, n=2, dtype="float64"):
    rng = np.random.default_rng(0)
    images = tf.constant(rng.uniform(size=(n, *SIZES[ndim], 2)), dtype)
    return images, FAMILIES[ndim].sample(n, seed=1, scale=0.5, backend="tensorflow", dtype=dtype)


def with_grads(family, images, theta, mode):
    with tf.GradientTape() as tape:
        tape.watch([images, theta])
        result = family.warp(images, theta, mode=mode)
        loss = tf.reduce_sum(tf.sin(3 * result))
    return result, *tape.gradient(loss, [images, theta])


@each_ndim
@each_mode
def test_graph_with_unknown_batch_and_channels(ndim, mode):
    """Values and gradients are those of eager calls, bit for bit."""
    family = FAMILIES[ndim]
    signature = [
        tf.TensorSpec((None, *SIZES[ndim], None), "float64"),
        tf.TensorSpec((None, family.n_params), "float64"),
    ]
    traced = tf.function(lambda i, t: with_grads(family, i, t, mode), input_signature=signature)
    static = traced.get_concrete_function().structured_outputs[0].shape.as_list()
    assert static == [None, *SIZES[ndim], None]
    for n in (2, 1, 0):
        given = problem(ndim, n)
        for got, expected in zip(traced(*given), with_grads(family, *given, mode), strict=True):
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_third_derivatives_are_refused(wrap):
    images, theta = problem(2)

    def derivative(function):
        def differentiated(theta):
            with tf.GradientTape() as tape:
                tape.watch(theta)
                loss = tf.reduce_sum(function(theta) ** 2)
            return tape.gradient(loss, theta)

        return differentiated

    def warped(theta):
        return FAMILIES[2].warp(images, theta)

    second = wrap(derivative(derivative(warped)))(theta)
    assert np.abs(second).max() > 0.01
    with pytest.raises(UnsupportedError, match="up to the second"):
        wrap(derivative(derivative(derivative(warped))))(theta)


def test_forward_mode_is_that_of_differences():
    """TensorFlow takes it from the gradient of the gradient, while no tape may record: never a silent zero."""
    (images, theta), h = problem(2), 1e-6
    along = tf.ones_like(theta)
    with tf.autodiff.ForwardAccumulator(theta, along) as accumulator:
        warped = FAMILIES[2].warp(images, theta)
    ahead, behind = (FAMILIES[2].warp(images, theta + s * along) for s in (h, -h))
    np.testing.assert_allclose(accumulator.jvp(warped), (ahead - behind) / (2 * h), rtol=0, atol=1e-7)
    with tf.autodiff.ForwardAccumulator(theta, along), pytest.raises(UnsupportedError, match="tapes"):
        tf.function(FAMILIES[2].warp)(images, theta)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_forward_over_reverse_is_right_or_refused(wrap):
    images, theta = problem(2)
    along = tf.ones_like(theta)

    def gradient(theta):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = tf.reduce_sum(FAMILIES[2].warp(images, theta) ** 2)
        return tape.gradient(loss, theta)

    ahead, behind = (gradient(theta + s * along) for s in (1e-6, -1e-6))
    try:
        with tf.autodiff.ForwardAccumulator(theta, along) as accumulator:
            grad = wrap(gradient)(theta)
        tangent = accumulator.jvp(grad)
    except UnsupportedError:
        return
    np.testing.assert_allclose(tangent, (ahead - behind) / 2e-6, rtol=0, atol=1e-5)


def test_errors_of_the_library_arrive():
    family, (images, theta) = FAMILIES[2], problem(2)
    velocity = family.velocity(theta) * 1e6
    with pytest.raises(RangeError, match="item 0"):
        warp(images, velocity, family.tessellation, 1.0, (4, 5), "linear", "zeros", False)


def test_layers_keep_their_mode():
    """Through get_config, and through JSON."""
    layer = layers.STCPAB((2, 2), mode="nearest", padding_mode="border", input_shape=(6, 5, 1))
    assert layer.get_config()["mode"] == "nearest"
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(layer))))
    assert again.options == layer.options
    with pytest.raises(OptionError, match="linear, nearest"):
        layers.STCPAB((2, 2), mode="bilinear")
