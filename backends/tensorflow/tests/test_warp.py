"""The fused warp as TensorFlow sees it: eagerly, in graphs, on tapes, in saved layers."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import OptionError, RangeError, UnsupportedError
from cpabx.sampling.options import Sampling
from cpabx_tensorflow import layers
from cpabx_tensorflow.warp import warp

FAMILIES = {1: cpabx.Cpab(4), 2: cpabx.Cpab((3, 2)), 3: cpabx.Cpab((1, 2, 1), domain=(0, 1))}
SIZES = {1: (7,), 2: (4, 5), 3: (3, 2, 4)}
each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
each_mode = pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])


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
        warp(images, velocity, family.tessellation, 1.0, (4, 5), Sampling())


def test_layers_keep_their_mode():
    """Through get_config, and through JSON."""
    layer = layers.STCPAB((2, 2), mode="bicubic", fill=[0.5], input_shape=(6, 5, 1))
    assert (layer.get_config()["mode"], layer.get_config()["fill"]) == ("cubic", 0.5)
    again = keras.saving.deserialize_keras_object(json.loads(json.dumps(keras.saving.serialize_keras_object(layer))))
    assert again.options == layer.options
    with pytest.raises(OptionError, match="linear, nearest"):
        layers.STCPAB((2, 2), mode="biliner")


@each_ndim
def test_label_maps_in_a_graph(ndim):
    """Of any batch, in their own type."""
    family = FAMILIES[ndim]
    signature = [tf.TensorSpec((None, *SIZES[ndim], 2), "int64"), tf.TensorSpec((None, family.n_params), "float64")]
    call = functools.partial(family.warp, mode="nearest", fill=-(2**60) - 1)
    traced = tf.function(call, input_signature=signature)
    for n in (2, 1, 0):
        images, theta = problem(ndim, n)
        labels = tf.cast(images * 100, "int64") + 2**60
        assert traced(labels, theta).dtype == tf.int64
        np.testing.assert_array_equal(traced(labels, theta), call(labels, theta))


def series_problem(n):
    """Series, padded with NaN, theta and lengths."""
    series, theta = problem(1, n)
    lengths = np.array([7, 2, 4])[:n]
    valid = np.arange(7)[None, :, None] < lengths[:, None, None]
    return tf.where(valid, series, np.nan), theta, tf.constant(lengths)


@each_mode
def test_lengths_in_a_graph(mode):
    """Of any batch, as numbers and as NaN; those that are impossible make NaN, since nobody can be told."""
    signature = [
        tf.TensorSpec((None, 7, 2), "float64"),
        tf.TensorSpec((None, FAMILIES[1].n_params), "float64"),
        tf.TensorSpec((None,), "int64"),
    ]

    def gradients(series, theta, lengths):
        with tf.GradientTape() as tape:
            tape.watch([series, theta])
            result = FAMILIES[1].warp(series, theta, mode=mode, padding_mode="wrap", lengths=lengths)
            loss = tf.reduce_sum(tf.sin(3 * result))
        return result, *tape.gradient(loss, [series, theta], unconnected_gradients="zero")

    traced = tf.function(gradients, input_signature=signature)
    by_nan = tf.function(lambda s, t: gradients(s, t, "nan"), input_signature=signature[:2])
    for n in (3, 1, 0):
        series, theta, lengths = series_problem(n)
        expected = gradients(series, theta, lengths)
        for results in (traced(series, theta, lengths), by_nan(series, theta)):
            for got, value in zip(results, expected, strict=True):
                np.testing.assert_allclose(got, value, rtol=0, atol=1e-13)
    series, theta, _ = series_problem(3)
    results = traced(series, theta, tf.constant([7, 0, 8], "int64"))[0]
    assert np.isfinite(results[0]).all()
    assert np.isnan(results[1:]).any(axis=(1, 2)).all()
