"""Laws of the flow on whatever Hypothesis thinks of: cells, fields, and points that are on faces."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import cpabx
from cpabx.testing.oracle_gradient import GradientOracle
from cpabx.testing.oracle_nd import TooManyRegionsError

pytestmark = pytest.mark.slow

#: Most cells along an axis, and the largest |A| of a field whose fastest vertex moves by one cell.
MOST_CELLS, STEEPNESS = {1: 9, 2: 5, 3: 2}, {1: 2, 2: 4, 3: 6}

bounded = settings(max_examples=150, deadline=None, derandomize=True, database=None)

#: Plain fractions and whole numbers are what makes trajectories meet faces and vertices exactly.
simple = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 0.25, 2.0, 1 / 3, -2 / 3, 1e-3, 1e-9, -1e-13, 1e-300])
numbers = simple | st.floats(-2, 2, allow_nan=False)


@st.composite
def flows(draw):
    """A family and one theta (1, d), of velocities at vertices: many of them equal, or zero."""
    ndim = draw(st.integers(1, 3))
    cells = tuple(draw(st.integers(1, MOST_CELLS[ndim])) for _ in range(ndim))
    family = cpabx.Cpab(
        cells,
        boundary=draw(st.sampled_from(["free", "sliding", "fixed"])),
        outside=draw(st.sampled_from(["linear", "nearest"])),
        basis="nodal",
        domain=draw(st.sampled_from([(-1, 1), (0, 1), ((0, 1), (-2, 3), (1, 2))[:ndim]])),
    )
    few = draw(st.lists(numbers, min_size=1, max_size=6))
    pattern = draw(st.lists(st.integers(0, 5), min_size=family.n_params, max_size=family.n_params))
    theta = np.array([[few[k % len(few)] for k in pattern]]).reshape(1, -1)
    # |A| <= 3: the expansion of the flow, exp|A|, is then 20 at most, and rounding with it.
    fastest = np.abs(family.velocity(theta)).max() * max(cells) / min(h - lo for lo, h in family.domain)
    size = fastest * STEEPNESS[ndim]
    return family, theta * (3 / size) if size > 3 else theta


@st.composite
def flows_and_points(draw):
    """Points (P, n) on a lattice that holds all vertices, and anywhere."""
    family, theta = draw(flows())
    low, high = np.array(family.domain).T
    on_lattice = st.tuples(
        *(st.integers(-2, 4 * n + 2).map(lambda i, n=n: i / (4 * n)) for n in family.tessellation.cells)
    )
    anywhere = st.tuples(*[st.floats(-0.5, 1.5)] * family.ndim)
    unit = draw(st.lists(on_lattice | anywhere, min_size=1, max_size=12))
    return family, theta, low + np.array(unit) * (high - low)


@bounded
@given(flows_and_points())
def test_inverse_undoes(case):
    """To rounding, wherever a trajectory starts, ends or lingers."""
    family, theta, points = case
    back = family.inverse(family.transform(points, theta)[0], theta)[0]
    np.testing.assert_allclose(back, points, rtol=1e-12, atol=1e-12)


@bounded
@given(flows_and_points())
def test_the_oracle_agrees(case):
    """An integrator that knows nothing of cells that share colours, nor of how faces are crossed."""
    family, theta, points = case
    oracle = GradientOracle(family).field(theta[0])
    try:
        expected = np.array([oracle.flow(x) for x in points[:3]])
    except TooManyRegionsError:
        reject()
    np.testing.assert_allclose(family.transform(points[:3], theta)[0], expected, rtol=1e-12, atol=1e-12)


@bounded
@given(flows_and_points(), st.floats(-1, 1), st.floats(-1, 1))
def test_flow_adds_up(case, s, t):
    """Stopping on the way, perhaps on a face, changes nothing."""
    family, theta, points = case
    twice = family.transform(family.transform(points, theta, time=s)[0], theta, time=t)[0]
    np.testing.assert_allclose(twice, family.transform(points, theta, time=s + t)[0], rtol=1e-12, atol=1e-12)


@bounded
@given(flows_and_points())
def test_float32_is_close_to_float64(case):
    """One walk, two number types: neither may take a wrong turn."""
    family, theta, points = case
    low, high = np.array(family.domain).T
    exact = family.transform(points, theta)
    rough = family.transform(points.astype("float32"), theta.astype("float32"))
    far = np.maximum(1, np.abs(exact - (low + high) / 2) / ((high - low) / 2)).max(-1, keepdims=True)
    assert (np.abs(rough - exact) / (high - low) / far).max() <= 2e-5


@bounded
@given(flows_and_points())
def test_closed_borders_hold(case):
    """What starts inside, border included, stays inside."""
    family, theta, points = case
    if family.boundary == "free":
        return
    low, high = np.array(family.domain).T
    moved = family.transform(np.clip(points, low, high), theta)
    assert (np.maximum(low - moved, moved - high) / (high - low)).max() <= 1e-13


@settings(bounded, max_examples=60)
@given(flows_and_points())
def test_gradients_solve_the_variational_equation(case):
    """A point that rests on a face, or moves along one, has several derivatives there, of which the
    gradient is one. So the points are moved off the faces, a little.
    """
    family, theta, points = case
    rng, oracle = np.random.default_rng(0), GradientOracle(family)
    points = points[:2] + 1e-3 * rng.uniform(0.1, 1, points[:2].shape)
    cotangents = rng.standard_normal(points.shape)
    try:
        truth = [oracle.vjp(oracle.field(theta[0]), x, c) for x, c in zip(points, cotangents, strict=True)]
    except TooManyRegionsError:
        reject()
    by_points, by_theta = family.vjp(points[None], theta, cotangents[None])
    np.testing.assert_allclose(by_points[0], [g.points for g in truth], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_theta[0], sum(g.theta for g in truth), rtol=1e-9, atol=1e-9)
