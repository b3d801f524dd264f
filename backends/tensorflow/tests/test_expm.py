"""The matrix exponential and its derivative against scipy's."""

import numpy as np
import pytest
import tensorflow as tf

from cpabx_tensorflow.expm import expm

scipy_linalg = pytest.importorskip("scipy.linalg")

NORMS = [0.0, 1e-300, 1e-8, 0.3, 1.0, 5.0, 50.0]
PRECISION = {"float64": 1e-12, "float32": 2e-5}


def matrices(norm, n=3, batch=6, seed=0):
    a = np.random.default_rng(seed).standard_normal((batch, n, n))
    return norm * a / np.abs(a).sum(-1).max(-1)[:, None, None]


def with_grad(a, cotangent):
    with tf.GradientTape() as tape:
        tape.watch(a)
        result = expm(a)
    return result, tape.gradient(result, a, cotangent)


def relative(got, expected):
    """Error of each matrix, relative to its size."""
    size = np.abs(expected).max((-1, -2), keepdims=True)
    return (np.abs(got - expected) / np.where(size > 0, size, 1)).max()


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("norm", NORMS)
def test_values_and_gradients_are_scipys(norm, dtype, wrap):
    a = matrices(norm).astype(dtype)
    cotangent = np.random.default_rng(1).standard_normal(a.shape).astype(dtype)
    got, grad = wrap(with_grad)(tf.constant(a), tf.constant(cotangent))
    assert relative(got.numpy(), scipy_linalg.expm(a.astype("float64"))) <= PRECISION[dtype]
    expected = [
        scipy_linalg.expm_frechet(one.T, c, compute_expm=False)
        for one, c in zip(a.astype("float64"), cotangent.astype("float64"), strict=True)
    ]
    assert relative(grad.numpy(), np.array(expected)) <= PRECISION[dtype]


def test_small_and_large_matrices_share_a_batch():
    a = np.concatenate([matrices(norm, batch=1) for norm in NORMS])
    assert relative(expm(tf.constant(a)).numpy(), scipy_linalg.expm(a)) <= 1e-12


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_gradient_is_linear_in_the_cotangent(size):
    a, cotangent = tf.constant(matrices(1.0)), tf.constant(matrices(1.0, seed=1))
    expected = with_grad(a, cotangent)[1]
    assert relative(with_grad(a, cotangent * size)[1] / size, expected.numpy()) <= 1e-13


def test_second_derivative_is_that_of_central_differences():
    a, cotangent, direction = (tf.constant(matrices(1.0, batch=1, seed=seed)) for seed in range(3))
    with tf.GradientTape() as tape:
        tape.watch(a)
        product = tf.reduce_sum(with_grad(a, cotangent)[1] * direction)
    h = 1e-6
    expected = (with_grad(a + h * direction, cotangent)[1] - with_grad(a - h * direction, cotangent)[1]) / (2 * h)
    assert relative(tape.gradient(product, a).numpy(), expected.numpy()) <= 1e-8


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_empty_batches_and_unknown_sizes(dtype):
    traced = tf.function(with_grad, input_signature=[tf.TensorSpec((None, 3, 3), dtype)] * 2)
    for n in (0, 2):
        zeros = tf.zeros((n, 3, 3), dtype)
        for function in (with_grad, traced):
            value, grad = function(zeros, zeros + 2)
            np.testing.assert_array_equal(value, np.broadcast_to(np.eye(3), (n, 3, 3)))
            np.testing.assert_array_equal(grad, np.full((n, 3, 3), 2.0))


@pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf])
def test_not_finite_matrices_leave_the_others_alone(poison):
    """Why this is not tf.linalg.expm."""
    a = matrices(20.0)
    spoilt = a.copy()
    spoilt[2, 0, 1] = poison
    ones = tf.ones_like(a)
    for got, expected in zip(with_grad(tf.constant(spoilt), ones), with_grad(tf.constant(a), ones), strict=True):
        assert not np.isfinite(got[2]).all()
        rest = [0, 1, 3, 4, 5]
        np.testing.assert_array_equal(got.numpy()[rest], expected.numpy()[rest])
