"""The oracle is tested too: against closed forms, and against a solver that knows less."""

import numpy as np
import pytest
from scipy.linalg import expm, expm_frechet

from cpabx import Cpab
from cpabx.testing.oracle import Oracle2D
from cpabx.testing.oracle_gradient import GradientOracle

CELLS = (3, 2)
LOW, HIGH = (0.0, -2.0), (1.5, 3.0)


def vertices():
    x, y = np.linspace(0, 1.5, 4), np.linspace(-2, 3, 3)
    corners = [(a, b) for b in y for a in x]
    return np.array(corners + [(a, b) for b in (y[1:] + y[:-1]) / 2 for a in (x[1:] + x[:-1]) / 2])


def random_field(seed, outside):
    velocity = np.random.default_rng(seed).standard_normal((len(vertices()), 2))
    return Oracle2D(CELLS, velocity, LOW, HIGH, outside), velocity


def test_affine_field_has_an_exponential_flow():
    """All pieces alike: whatever the regions, the flow is one matrix."""
    generator = np.array([[0.3, -0.8, 0.2], [0.5, -0.1, -0.4], [0, 0, 0]])
    field = Oracle2D(CELLS, vertices() @ generator[:2, :2].T + generator[:2, 2], LOW, HIGH, "linear")
    for x in [*vertices(), *np.random.default_rng(0).uniform(-4, 4, (20, 2))]:
        for time in (1.0, -0.7):
            expected = (expm(time * generator) @ [*x, 1])[:2]
            np.testing.assert_allclose(field.flow(x, time), expected, rtol=0, atol=1e-13)


def test_velocity_interpolates_the_vertices():
    for outside in ("linear", "nearest"):
        field, velocity = random_field(1, outside)
        np.testing.assert_allclose([field.velocity(x) for x in vertices()], velocity, atol=1e-14)


@pytest.mark.parametrize("outside", ["linear", "nearest"])
def test_velocity_is_continuous(outside):
    """Over faces, over the border, and beyond it."""
    field, _ = random_field(2, outside)
    rng = np.random.default_rng(2)
    for x in [*vertices(), *rng.uniform(-4, 5, (200, 2))]:
        step = 1e-9 * rng.standard_normal(2)
        np.testing.assert_allclose(field.velocity(x + step), field.velocity(x - step), rtol=0, atol=1e-7)


def test_nearest_is_the_velocity_of_the_nearest_point():
    field, _ = random_field(3, "nearest")
    for x in np.random.default_rng(3).uniform(-4, 5, (50, 2)):
        np.testing.assert_array_equal(field.velocity(x), field.velocity(np.clip(x, LOW, HIGH)))


@pytest.mark.parametrize("outside", ["linear", "nearest"])
def test_flow_is_that_of_a_general_solver(outside):
    field, _ = random_field(4, outside)
    for x in np.random.default_rng(4).uniform((-0.5, -3), (2, 4), (8, 2)):
        np.testing.assert_allclose(field.flow(x), field.solve_ivp(x), rtol=0, atol=1e-8)


def test_flow_goes_back_to_where_it_came_from():
    field, _ = random_field(5, "nearest")
    for x in vertices():
        np.testing.assert_allclose(field.flow(field.flow(x, 1.0), -1.0), x, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("time", [1.0, -0.7])
@pytest.mark.parametrize(
    "family",
    [Cpab((4,)), Cpab((3, 2), outside="nearest"), Cpab((2, 2, 1)), Cpab((2, 2), boundary="sliding", domain=(0, 3))],
    ids=lambda f: "x".join(map(str, f.tessellation.cells)),
)
def test_gradient_is_that_of_differences_of_the_flow(family, time):
    """Of the oracle's own trajectories, inside and outside; none of these points is near a face."""
    oracle, rng, h = GradientOracle(family), np.random.default_rng(6), 1e-5
    theta = rng.standard_normal(family.n_params)
    low, high = np.array(family.domain).T
    for x in rng.uniform(low - 0.3, high + 0.3, (4, family.ndim)):
        cotangent = rng.standard_normal(family.ndim)
        got = oracle.vjp(oracle.field(theta), x, cotangent, time)
        np.testing.assert_array_equal(got.moved, oracle.field(theta).flow(x, time))

        def loss(x, theta, c=cotangent):
            return c @ oracle.field(theta).flow(x, time)

        by_x = [(loss(x + s, theta) - loss(x - s, theta)) / (2 * h) for s in h * np.eye(len(x))]
        by_theta = [(loss(x, theta + s) - loss(x, theta - s)) / (2 * h) for s in h * np.eye(len(theta))]
        np.testing.assert_allclose(got.points, by_x, rtol=0, atol=1e-8)
        np.testing.assert_allclose(got.theta, by_theta, rtol=0, atol=1e-8)


def test_gradient_of_an_affine_field_has_a_closed_form():
    """All pieces alike: the derivative of one matrix exponential, however many faces are crossed."""
    generator = np.array([[0.3, -0.8, 0.2], [0.5, -0.1, -0.4], [0, 0, 0]])
    family = Cpab((3, 2), basis="nodal", outside="linear", boundary="free", domain=((0, 1.5), (-2, 3)))
    oracle = GradientOracle(family)
    ends = family.tessellation.vertices @ generator[:2, :2].T + generator[:2, 2]
    basis = np.array([family.velocity(row[None])[0].ravel() for row in np.eye(family.n_params)]).T
    theta = np.linalg.lstsq(basis, ends.ravel(), rcond=None)[0]
    np.testing.assert_allclose(basis @ theta, ends.ravel(), atol=1e-13)
    cotangent, x = np.array([0.7, -1.1]), np.array([0.4, 0.3])
    got = oracle.vjp(oracle.field(theta), x, cotangent)
    np.testing.assert_allclose(got.points, (expm(generator).T[:2, :2]) @ cotangent, rtol=0, atol=1e-13)
    change = np.array([[0.2, 0.4, -0.3], [-0.6, 0.1, 0.5], [0, 0, 0]])  # another affine field, as a direction
    along = np.linalg.lstsq(basis, (family.tessellation.vertices @ change[:2, :2].T + change[:2, 2]).ravel())[0]
    _, derivative = expm_frechet(generator, change)
    np.testing.assert_allclose(got.theta @ along, cotangent @ (derivative @ [*x, 1])[:2], rtol=0, atol=1e-13)
