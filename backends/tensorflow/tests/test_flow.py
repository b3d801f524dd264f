"""The native transform as TensorFlow sees it: eagerly, in graphs, on tapes."""

import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx import native
from cpabx.errors import RangeError, UnsupportedError
from cpabx_tensorflow import flow

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
        moved = flow.transform(points, velocity, TESS, 1.0)
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
    moved = flow.transform(points, velocity, TESS, time)
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


# -- derivatives -----------------------------------------------------------------------------------

each_way = pytest.mark.parametrize("wrap", [lambda f: f, tf.function], ids=["eager", "graph"])
each_sharing = pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])


def leaves(shared=False):
    """Points, velocities, and tangents of both."""
    values = problem(shared)
    rng = np.random.default_rng(1)
    return *values, *(tf.constant(rng.standard_normal(x.shape)) for x in values)


def weighed(result):
    """A loss that weighs every number differently, and is not linear."""
    return tf.reduce_sum(
        tf.sin(tf.reshape(result, [-1]) * tf.linspace(tf.constant(0.5, result.dtype), 3, tf.size(result)))
    )


def gradients(function, values):
    """Of the weighed result, by every value."""
    with tf.GradientTape() as tape:
        tape.watch(values)
        loss = weighed(function(*values))
    return tape.gradient(loss, values)


def compare_with_differences(function, values, wrap=lambda f: f, tolerance=1e-6):
    got = wrap(lambda *values: gradients(function, values))(*values)
    for i, grad in enumerate(got):

        def loss(x, i=i):
            arguments = [tf.constant(x) if k == i else v for k, v in enumerate(values)]
            return weighed(function(*arguments)).numpy()

        expected = central_differences(loss, values[i].numpy())
        assert np.abs(expected).max() > 1e-2
        np.testing.assert_allclose(grad, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@each_way
@each_sharing
def test_second_derivatives_are_those_of_central_differences(shared, wrap):
    """Of both gradients, by points, velocities and the loss's own weights."""
    points, velocity, cotangent, _ = leaves()
    points = points[:1] if shared else points

    def grads(points, velocity, cotangent):
        with tf.GradientTape() as tape:
            tape.watch([points, velocity])
            loss = tf.reduce_sum(cotangent * flow.transform(points, velocity, TESS, 1.0))
        return tf.concat([tf.reshape(g, [-1]) for g in tape.gradient(loss, [points, velocity])], 0)

    compare_with_differences(grads, (points, velocity, cotangent), wrap)


@each_way
@each_sharing
def test_jvp_and_its_gradients(shared, wrap):
    points, velocity, tangent_points, tangent_velocity = leaves(shared)
    got = flow.transform_jvp(points, velocity, tangent_points, tangent_velocity, TESS, 0.5)
    h = 1e-6
    ahead, behind = (
        flow.transform(points + s * tangent_points, velocity + s * tangent_velocity, TESS, 0.5) for s in (h, -h)
    )
    np.testing.assert_allclose(got, (ahead - behind) / (2 * h), rtol=0, atol=1e-7)
    compare_with_differences(lambda *v: flow.transform_jvp(*v, TESS, 0.5), leaves(shared), wrap)


@each_way
@each_sharing
def test_gradients_of_velocity(shared, wrap):
    compare_with_differences(lambda p, v: flow.velocity(p, v, TESS), problem(shared), wrap)


@each_way
@each_sharing
@pytest.mark.parametrize("which", [0, 1], ids=["jacobian", "log_det"])
def test_gradients_of_jacobian_and_log_det(which, shared, wrap):
    compare_with_differences(lambda p, v: flow.jacobian(p, v, TESS, -0.5)[which], problem(shared), wrap)


def test_a_result_that_nobody_used_costs_nothing(monkeypatch):
    """TensorFlow passes zeros for its cotangent, which libcpab is not given."""
    calls = []
    genuine = native.functions.jacobian_vjp

    def spy(memory, points, velocity, *arguments, **options):
        calls.append(tuple(cotangent is not None for cotangent in arguments[:2]))
        return genuine(memory, points, velocity, *arguments, **options)

    monkeypatch.setattr(native.functions, "jacobian_vjp", spy)
    points, velocity = problem()
    for used in ((True, False), (False, True), (True, True)):
        with tf.GradientTape() as tape:
            tape.watch(velocity)
            results = flow.jacobian(points, velocity, TESS, 1.0)
            loss = sum(tf.reduce_sum(result) for result, wanted in zip(results, used, strict=True) if wanted)
        tape.gradient(loss, velocity)
    assert calls == [(True, False), (False, True), (True, True)]


def test_derivatives_in_a_graph_with_unknown_sizes():
    signature = [tf.TensorSpec((None, None, 2), "float64"), tf.TensorSpec((None, TESS.n_vertices, 2), "float64")]

    def everything(points, velocity):
        jvp = flow.transform_jvp(points, velocity, points, None, TESS, 1.0)
        return jvp, flow.velocity(points, velocity, TESS), *flow.jacobian(points, velocity, TESS, 1.0)

    traced = tf.function(everything, input_signature=signature)
    static = [output.shape.as_list() for output in traced.get_concrete_function().structured_outputs]
    assert static == [[None, None, 2], [None, None, 2], [None, None, 2, 2], [None, None]]
    for arguments in (problem(), problem(True), problem(n_batch=0)):
        for got, expected in zip(traced(*arguments), everything(*arguments), strict=True):
            assert got.shape == expected.shape
            np.testing.assert_array_equal(got, expected)


def test_forward_mode_is_jvp():
    """TensorFlow takes it from the gradient of the gradient."""
    points, velocity, _, tangent = leaves()
    with tf.autodiff.ForwardAccumulator(velocity, tangent) as accumulator:
        moved = flow.transform(points, velocity, TESS, 1.0)
    expected = flow.transform_jvp(points, velocity, None, tangent, TESS, 1.0)
    np.testing.assert_allclose(accumulator.jvp(moved), expected, rtol=0, atol=1e-12)


@each_way
@pytest.mark.parametrize(
    "derivative",
    [
        lambda p, v: gradients(lambda v: gradients(lambda v: flow.transform(p, v, TESS, 1.0), [v])[0], [v])[0],
        lambda p, v: gradients(lambda v: flow.transform_jvp(p, v, p, None, TESS, 1.0), [v])[0],
        lambda p, v: gradients(lambda v: flow.jacobian(p, v, TESS, 1.0)[0], [v])[0],
        lambda p, v: gradients(lambda p: flow.velocity(p, v, TESS), [p])[0],
    ],
    ids=["transform", "jvp", "jacobian", "velocity"],
)
def test_what_comes_after_is_refused(derivative, wrap):
    points, velocity = problem()
    with pytest.raises(UnsupportedError, match="up to the second"):
        wrap(lambda v: gradients(lambda v: derivative(points, v), [v])[0])(velocity)


def test_errors_of_the_library_arrive():
    points, velocity = problem()
    with pytest.raises(RangeError, match="item 0"):
        flow.transform(points, velocity * 1e6, TESS, 1.0)
    traced = tf.function(lambda p, v: flow.transform(p, v, TESS, 1.0))
    with pytest.raises(tf.errors.OpError, match=r"at most 1024, .* for every velocity field"):
        traced(points, velocity * 1e6)


def test_not_finite_items_leave_the_others_alone():
    points, velocity = problem()
    spoilt = tf.concat([velocity[:1] * np.nan, velocity[1:]], 0)
    expected, moved = (flow.transform(points, v, TESS, 1.0).numpy() for v in (velocity, spoilt))
    assert np.isnan(moved[0]).all()
    np.testing.assert_array_equal(moved[1:], expected[1:])
