"""CPAB in 1D: against the exact formula of its pieces."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from cpabx import Cpab


@pytest.mark.parametrize("outside", ["linear", "nearest"])
@pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
@pytest.mark.parametrize("basis", ["orthonormal", "nodal"])
@pytest.mark.parametrize(("cells", "free", "held"), [(5, 6, 4), (16, 17, 15), (50, 51, 49)])
def test_dimensions(cells, free, held, boundary, outside, basis):
    """Vertices, less the two ends if they are held."""
    family = Cpab(cells, boundary=boundary, outside=outside, basis=basis)
    assert family.ndim == 1
    assert family.n_params == (free if boundary == "free" else held)


def test_one_interval_has_a_closed_form():
    """v = a x + b: x exp(a t) + b (exp(a t) - 1) / a, outside too."""
    family = Cpab(1, basis="nodal")
    low, high = 0.7, -0.4  # velocities at -1 and 1
    a, b = (high - low) / 2, (high + low) / 2
    x = np.linspace(-2, 2, 9)[:, None]
    for time in (1.0, -1.0, 2.5):
        expected = x * np.exp(a * time) + b * (np.exp(a * time) - 1) / a
        got = family.transform(x, np.array([[low, high]]), time=time)[0]
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-14)


def test_many_intervals_against_an_ode_solver():
    family = Cpab(6, domain=(0, 3))
    theta = family.sample(1, seed=0, scale=1.0, dtype="float64")
    knots, velocity = family.tessellation.vertices[:, 0], family.velocity(theta)[0, :, 0]
    x = np.concatenate([np.random.default_rng(0).uniform(0, 3, 10), knots])
    got = family.transform(x[:, None], theta)[0, :, 0]
    inside = (got > 0) & (got < 3) & (x > 0) & (x < 3)
    assert inside.sum() > 5
    solution = solve_ivp(
        lambda _, y: np.interp(y, knots, velocity), (0, 1), x[inside], "DOP853", rtol=1e-11, atol=1e-12, max_step=0.01
    )
    np.testing.assert_allclose(got[inside], solution.y[:, -1], rtol=0, atol=1e-8)


@pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
def test_increasing_and_invertible(boundary):
    family = Cpab((7,), boundary=boundary)
    theta = family.sample(5, seed=1, scale=1.0, dtype="float64")
    x = np.linspace(-1, 1, 401)[:, None]
    moved = family.transform(x, theta)
    assert (np.diff(moved[..., 0]) > 0).all()
    np.testing.assert_allclose(family.inverse(moved, theta), np.stack([x] * 5), rtol=0, atol=1e-12)
    if boundary != "free":
        np.testing.assert_allclose(moved[:, [0, -1], 0], [[-1, 1]] * 5, rtol=0, atol=1e-14)


def test_gradient_by_central_differences():
    family, h = Cpab(5), 1e-5
    theta = family.sample(2, seed=2, scale=1.0, dtype="float64")
    x = np.random.default_rng(2).uniform(-1.2, 1.2, (2, 6, 1))
    cotangent = np.random.default_rng(3).standard_normal(x.shape)
    grad_x, grad_theta = family.vjp(x, theta, cotangent)

    def loss(x, theta):
        return (cotangent * family.transform(x, theta))[..., 0]

    by_x = (loss(x + h, theta) - loss(x - h, theta)) / (2 * h)
    by_theta = [(loss(x, theta + d) - loss(x, theta - d)).sum(1) / (2 * h) for d in h * np.eye(family.n_params)]
    for got, expected in ((grad_x[..., 0], by_x), (grad_theta, np.transpose(by_theta))):
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())


def test_derivatives_of_one_interval_have_closed_forms():
    """v = a x + b: the flow's derivative is exp(a t) everywhere, and its logarithm a t."""
    family, theta = Cpab(1, basis="nodal"), np.array([[0.7, -0.4]])
    a, b = -0.55, 0.15
    x = np.linspace(-2, 2, 9)[:, None]
    np.testing.assert_allclose(family.velocity_at(x, theta)[0], a * x + b, rtol=0, atol=1e-14)
    for time in (1.0, -2.0):
        stretch = np.exp(a * time)
        np.testing.assert_allclose(family.jacobian(x, theta, time=time), np.full((1, 9, 1, 1), stretch), atol=1e-14)
        np.testing.assert_allclose(family.log_det_jacobian(x, theta, time=time), np.full((1, 9), a * time), atol=1e-14)
        along = family.jvp(x, theta, 3 * x, time=time)
        np.testing.assert_allclose(along[0], 3 * stretch * x, rtol=0, atol=1e-13)


def test_jvp_by_central_differences():
    family, h = Cpab(5), 1e-5
    rng = np.random.default_rng(4)
    theta, x = family.sample(2, seed=4, scale=1.0, dtype="float64"), rng.uniform(-1.2, 1.2, (2, 6, 1))
    along_x, along_theta = rng.standard_normal(x.shape), rng.standard_normal(theta.shape)
    ahead, behind = (family.transform(x + s * along_x, theta + s * along_theta) for s in (h, -h))
    expected = (ahead - behind) / (2 * h)
    got = family.jvp(x, theta, along_x, along_theta)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 * np.abs(expected).max())
