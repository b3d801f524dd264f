"""What users of JAX do: jit, grad and vmap, in any order, and loops. The values themselves are the suite's affair."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cpabx
from cpabx import Composition, Cpab

FLOWS = [Cpab((3, 2)), Cpab((2, 2), boundary="sliding", domain=((0, 1), (-2, 3))), Cpab(5), Cpab((1, 2, 1))]
each_flow = pytest.mark.parametrize("flow", FLOWS, ids=["2D", "2D-domain", "1D", "3D"])
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
each_wrap = pytest.mark.parametrize("wrap", [lambda f: f, jax.jit], ids=["eager", "jit"])
N, P = 3, 7


def problem(flow, dtype="float64", n=N):
    """Points (n, P, ndim) of the domain and around it, theta (n, d)."""
    rng = np.random.default_rng(0)
    low, high = np.array(flow.domain).T
    points = low + rng.uniform(-0.2, 1.2, (n, P, flow.ndim)) * (high - low)
    return jnp.asarray(points, dtype), jnp.asarray(0.5 * rng.standard_normal((n, flow.n_params)), dtype)


def images_for(flow, dtype="float64"):
    return jnp.asarray(np.random.default_rng(1).uniform(size=(N, *(6, 5, 4)[: flow.ndim], 2)), dtype)


def functions(flow):
    """By name, functions of points and theta."""
    return {
        "transform": flow.transform,
        "inverse": flow.inverse,
        "velocity_at": flow.velocity_at,
        "jacobian": flow.jacobian,
        "log_det_jacobian": flow.log_det_jacobian,
        "jvp": lambda p, t: flow.jvp(p, t, p + 1, t + 1),
        "warp": lambda p, t: flow.warp(jnp.sin(images_for(flow, p.dtype)), t),
    }


def close(got, expected, tolerance=1e-12):
    assert got.shape == expected.shape
    assert got.dtype == expected.dtype
    assert np.abs(np.asarray(got) - np.asarray(expected)).max() <= tolerance * max(1, np.abs(expected).max())


def loss_of(function):
    """A number per call, in which each result has another weight."""
    return lambda p, t: jnp.sum(jnp.cos(jnp.arange(function(p, t).size)).reshape(function(p, t).shape) * function(p, t))


@pytest.mark.parametrize("name", functions(FLOWS[0]))
@each_dtype
@each_flow
def test_jit_changes_nothing(flow, dtype, name):
    """Values and gradients, by points and theta, compiled and not: the same to rounding."""
    function, given = functions(flow)[name], problem(flow, dtype)
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    close(jax.jit(function)(*given), function(*given), tolerance)
    gradient = jax.grad(loss_of(function), argnums=(0, 1))
    for got, expected in zip(jax.jit(gradient)(*given), gradient(*given), strict=True):
        close(got, expected, 10 * tolerance)


@pytest.mark.parametrize("name", ["transform", "jacobian", "log_det_jacobian", "velocity_at", "jvp"])
@each_wrap
@each_flow
def test_vmap_over_items_is_the_batch(flow, wrap, name):
    """One item at a time, mapped: values and gradients."""
    function, given = functions(flow)[name], problem(flow)

    def single(p, t):
        return function(p, t[None])[0]

    close(wrap(jax.vmap(single))(*given), function(*given))
    mapped = jax.grad(loss_of(wrap(jax.vmap(single))), argnums=(0, 1))(*given)
    for got, expected in zip(mapped, jax.grad(loss_of(function), argnums=(0, 1))(*given), strict=True):
        close(got, expected)


@each_wrap
@each_flow
def test_vmap_over_either_argument(flow, wrap):
    """Shared points, shared theta, and batches of batches."""
    points, theta = problem(flow)
    every = jax.vmap(jax.vmap(lambda p, t: flow.transform(p, t[None])[0], (None, 0)), (0, None))
    expected = jnp.stack([flow.transform(p, theta) for p in points])
    close(wrap(every)(points, theta), expected)
    batches = jnp.stack([theta, -theta])
    close(
        wrap(jax.vmap(flow.transform, (None, 0)))(points, batches),
        jnp.stack([flow.transform(points, t) for t in batches]),
    )


@each_wrap
@each_flow
def test_vmap_of_warp(flow, wrap):
    """Images with a theta each, one by one, and their gradients."""
    images, (_, theta) = images_for(flow), problem(flow)

    def single(image, t):
        return flow.warp(image[None], t[None])[0]

    close(wrap(jax.vmap(single))(images, theta), flow.warp(images, theta))
    each = wrap(jax.vmap(jax.grad(loss_of(single), argnums=1)))(images, theta)
    expected = jnp.stack([jax.grad(loss_of(single), argnums=1)(i, t) for i, t in zip(images, theta, strict=True)])
    close(each, expected)


@each_wrap
def test_jacobian_of_jax_is_ours(wrap):
    """The derivative of T by its point: jacrev, which is vmap of vjp, beside the family's own."""
    flow = FLOWS[0]
    points, theta = problem(flow)
    by_point = jax.vmap(jax.jacrev(lambda x, t: flow.transform(x[None], t[None])[0, 0]), (0, None))
    got = jnp.stack([wrap(by_point)(p, t) for p, t in zip(points, theta, strict=True)])
    close(got, flow.jacobian(points, theta))


@each_wrap
def test_second_derivatives(wrap):
    """The Hessian by theta: symmetric, and the difference of gradients."""
    flow = Cpab((2, 1))
    points, theta = problem(flow, n=1)

    def loss(t):
        return jnp.sum(flow.transform(points, t[None]) ** 3)

    hessian = wrap(jax.jacrev(jax.jacrev(loss)))(theta[0])
    close(hessian, hessian.T, 1e-11)
    steps = 1e-5 * jnp.eye(flow.n_params)
    differences = jnp.stack([(jax.grad(loss)(theta[0] + h) - jax.grad(loss)(theta[0] - h)) / 2e-5 for h in steps])
    close(hessian, differences, 1e-6)
    assert jnp.abs(hessian).max() > 0.01


def test_what_is_not_there_is_refused():
    """Forward mode by JAX, third derivatives by us: no zeros."""
    flow = Cpab((2, 1))
    points, theta = problem(flow)
    with pytest.raises(TypeError, match="custom_vjp"):
        jax.jvp(flow.transform, (points, theta), (points, theta))

    def loss(t):
        return jnp.sum(flow.transform(points, t))

    def second(t):
        return jnp.sum(jax.grad(lambda t: jnp.sum(jax.grad(loss)(t) ** 2))(t))

    with pytest.raises(cpabx.errors.UnsupportedError, match="up to the second"):
        jax.grad(second)(theta)


@each_wrap
def test_families_without_a_flow(wrap):
    """What is written in array operations calls no library; a composition mixes both."""
    family = Composition(cpabx.Affine(), cpabx.AffineDiffeo(), Cpab((2, 2)))
    points, _ = problem(FLOWS[0])
    theta = family.sample(N, seed=0, backend="jax", dtype="float64")
    expected = family.transform(np.asarray(points), np.asarray(theta))
    close(wrap(family.transform)(points, theta), expected)


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_matrices_that_are_none_become_nan_under_jit(family):
    """Eagerly it is an error, as the suite checks."""
    bad = np.tile(np.eye(3), (3, 1, 1))
    bad[1, 2] = [1, 0, 0]
    points = problem(FLOWS[0], n=1)[0][0]
    moved = np.asarray(jax.jit(family.transform)(points, jnp.asarray(bad)))
    assert np.isnan(moved[1]).all()
    assert np.array_equal(moved[::2], np.stack([points] * 2))


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_inverses_that_are_not_there_become_nan_under_jit(family):
    theta = np.array(family.identity(3, backend="numpy", dtype="float64"))
    theta[1, 0] = 0
    points = problem(FLOWS[0], n=1)[0][0]
    back = np.asarray(jax.jit(family.inverse)(points, jnp.asarray(theta)))
    assert np.isnan(back[1]).all()
    assert np.array_equal(back[::2], np.stack([points] * 2))


def test_constants_meet_tracers():
    """Arrays that a compiled function closes over have a device, tracers do not know theirs yet."""
    flow = FLOWS[0]
    points, theta = problem(flow)
    close(jax.jit(lambda t: flow.transform(points, t))(theta), flow.transform(points, theta))
    close(jax.jit(lambda p: flow.transform(p, theta))(points), flow.transform(points, theta))
    close(jax.jit(lambda t: flow.transform(np.asarray(points).tolist(), t))(theta), flow.transform(points, theta))


def test_loops():
    """In scan, whose body is compiled: T applied five times is the flow for five times as long."""
    flow = FLOWS[0]
    points, theta = problem(flow)
    last, _ = jax.lax.scan(lambda p, _: (flow.transform(p, theta), None), points, length=5)
    close(last, flow.transform(points, theta, time=5.0), 1e-10)


def test_errors_under_jit_keep_their_text():
    """JAX's exception, our sentence; eagerly it is our exception, as the suite checks."""
    flow = FLOWS[0]
    points, theta = problem(flow)
    with pytest.raises(Exception, match=r"batch item 1.*Make theta or the time smaller"):
        jax.block_until_ready(jax.jit(flow.transform)(points, theta.at[1:].multiply(1e9)))


def test_gradient_descent():
    """A compiled training step finds the theta that moved some points, in float32."""
    flow = Cpab((2, 2), boundary="sliding")
    points, theta = problem(flow, "float32")
    moved = flow.transform(points, theta)

    def loss(t):
        return jnp.sum((flow.transform(points, t) - moved) ** 2)

    @jax.jit
    def step(t):
        return t - 0.5 * jax.grad(loss)(t)

    found = flow.identity(N, backend="jax")
    before = loss(found)
    for _ in range(200):
        found = step(found)
    assert loss(found) < 0.01 * before


@pytest.mark.parametrize("method", ["asarray", "identity", "sample"])
def test_names_of_types_are_numpys(method):
    """float32 by default, float64 as asked for: 64-bit mode is on here."""
    backend, flow = cpabx.get_backend("jax"), FLOWS[0]
    make = {
        "asarray": lambda **o: backend.asarray([1.5], **o),
        "identity": lambda **o: flow.identity(2, backend="jax", **o),
        "sample": lambda **o: flow.sample(2, backend="jax", **o),
    }[method]
    for dtype in ("float32", "float64"):
        assert make(dtype=dtype).dtype == dtype
