"""The oracle is tested too: against closed forms, and against a solver that knows less."""

import numpy as np
import pytest
from scipy.linalg import expm

from cpabx.testing.oracle import Oracle2D

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
