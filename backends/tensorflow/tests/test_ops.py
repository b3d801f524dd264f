"""The native transform as TensorFlow sees it: eagerly, in graphs, on tapes."""

import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import RangeError, UnsupportedError
from cpabx_tensorflow import ops

TESS = cpabx.Tessellation((3, 2))
NUMPY = cpabx.get_backend("numpy")


def problem(shared=False, n_batch=3, n_points=6, dtype="float64", seed=0):
    """Points and vertex velocities in general position."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(-1.1, 1.1, (1 if shared else n_batch, n_points, 2))
    velocity = 0.5 * rng.standard_normal((n_batch, TESS.n_vertices, 2))
    return tf.constant(points, dtype), tf.constant(velocity, dtype)


def forward_and_grads(points, velocity):
    """The result, and gradients of a loss that weighs every coordinate differently."""
    with tf.GradientTape() as tape:
        tape.watch([points, velocity])
        moved = ops.transform(points, velocity, TESS, 1.0)
        loss = tf.reduce_sum(tf.sin(3 * moved))
    return moved, *tape.gradient(loss, [points, velocity])


def central_differences(function, x, step=1e-6):
    grad = np.zeros(x.shape)
    for i in np.ndindex(*x.shape):
        shift = np.zeros(x.shape)
        shift[i] = step
        grad[i] = (function(x + shift) - function(x - shift)) / (2 * step)
    return grad


@pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("time", [1.0, -0.7, 0.0])
def test_is_the_numpy_backends(shared, dtype, time):
    points, velocity = problem(shared, dtype=dtype)
    moved = ops.transform(points, velocity, TESS, time)
    assert moved.dtype == dtype
    np.testing.assert_allclose(moved, NUMPY.cpab(points.numpy(), velocity.numpy(), TESS, time), rtol=0, atol=1e-12)


@pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
def test_gradients_are_those_of_central_differences(shared):
    points, velocity = (x.numpy() for x in problem(shared))
    _, grad_points, grad_velocity = forward_and_grads(*problem(shared))

    def loss(points, velocity):
        return np.sin(3 * NUMPY.cpab(points, velocity, TESS, 1.0)).sum()

    expected = central_differences(lambda p: loss(p, velocity), points)
    np.testing.assert_allclose(grad_points, expected, rtol=1e-6, atol=1e-6)
    expected = central_differences(lambda v: loss(points, v), velocity)
    np.testing.assert_allclose(grad_velocity, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_graph_with_unknown_sizes_gives_the_same(shared, dtype):
    shapes = [(None, None, 2), (None, TESS.n_vertices, 2)]
    signature = [tf.TensorSpec(shape, dtype) for shape in shapes]
    traced = tf.function(forward_and_grads, input_signature=signature)
    static = [output.shape.as_list() for output in traced.get_concrete_function().structured_outputs]
    assert static == [[None, None, 2], *map(list, shapes)]
    for n_batch in (3, 1, 0):
        arguments = problem(shared, n_batch, dtype=dtype)
        for got, expected in zip(traced(*arguments), forward_and_grads(*arguments), strict=True):
            assert got.shape == expected.shape
            np.testing.assert_array_equal(got, expected)


def test_transform_of_a_family_in_a_graph_with_unknown_batch():
    family = cpabx.Cpab((3, 2))
    points, theta = problem(True)[0][0], family.sample(4, seed=1, backend="tensorflow", dtype="float64")
    signature = [tf.TensorSpec((None, 2), "float64"), tf.TensorSpec((None, family.n_params), "float64")]
    traced = tf.function(family.transform, input_signature=signature)
    np.testing.assert_allclose(traced(points, theta), family.transform(points.numpy(), theta.numpy()), atol=1e-12)


def test_vjp_agrees_with_numpys_inside_of_a_graph():
    family = cpabx.Cpab((3, 2))
    theta = family.sample(3, seed=1, backend="tensorflow", dtype="float64")
    points = problem()[0]
    cotangent = tf.ones_like(points)
    expected = family.vjp(points.numpy(), theta.numpy(), cotangent.numpy())
    for vjp in (family.vjp, tf.function(family.vjp)):
        for got, right in zip(vjp(points, theta, cotangent), expected, strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-12, atol=1e-12)


def second_derivative(velocity):
    points = problem()[0]
    with tf.GradientTape() as outer:
        outer.watch(velocity)
        with tf.GradientTape() as inner:
            inner.watch(velocity)
            loss = tf.reduce_sum(ops.transform(points, velocity, TESS, 1.0) ** 2)
        grad = inner.gradient(loss, velocity)
    return outer.gradient(grad, velocity)


@pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
def test_second_derivatives_are_refused(wrap):
    with pytest.raises(UnsupportedError, match="no second derivative"):
        wrap(second_derivative)(problem()[1])


def test_forward_mode_is_refused():
    """TensorFlow would take it from the gradient of the gradient."""
    points, velocity = problem()
    with pytest.raises(UnsupportedError), tf.autodiff.ForwardAccumulator(velocity, tf.ones_like(velocity)):
        ops.transform(points, velocity, TESS, 1.0)


def test_errors_of_the_library_arrive():
    points, velocity = problem()
    with pytest.raises(RangeError, match="item 0"):
        ops.transform(points, velocity * 1e6, TESS, 1.0)
    traced = tf.function(lambda p, v: ops.transform(p, v, TESS, 1.0))
    with pytest.raises(tf.errors.OpError, match=r"at most 1024 for every velocity field"):
        traced(points, velocity * 1e6)


def test_not_finite_items_leave_the_others_alone():
    points, velocity = problem()
    spoilt = tf.concat([velocity[:1] * np.nan, velocity[1:]], 0)
    expected, moved = (ops.transform(points, v, TESS, 1.0).numpy() for v in (velocity, spoilt))
    assert np.isnan(moved[0]).all()
    np.testing.assert_array_equal(moved[1:], expected[1:])
