"""Laws of the flow on whatever Hypothesis thinks of: cells, fields, and points that are on faces."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import cpabx

bounded = settings(max_examples=150, deadline=None, derandomize=True, database=None)

#: Plain fractions and whole numbers are what makes trajectories meet faces and vertices exactly.
simple = st.sampled_from([0.0, 1.0, -1.0, 0.5, -0.5, 0.25, 2.0, 1 / 3, -2 / 3, 1e-3, 1e-9, -1e-13, 1e-300])
numbers = simple | st.floats(-2, 2, allow_nan=False)


@st.composite
def flows(draw):
    """A family and one theta (1, d), of velocities at vertices: many of them equal, or zero."""
    cells = (draw(st.integers(1, 5)), draw(st.integers(1, 5)))
    family = cpabx.Cpab(
        cells,
        boundary=draw(st.sampled_from(["free", "sliding", "fixed"])),
        outside=draw(st.sampled_from(["linear", "nearest"])),
        basis="nodal",
        domain=draw(st.sampled_from([(-1, 1), (0, 1), ((0, 1), (-2, 3))])),
    )
    few = draw(st.lists(numbers, min_size=1, max_size=6))
    pattern = draw(st.lists(st.integers(0, 5), min_size=family.n_params, max_size=family.n_params))
    theta = np.array([[few[k % len(few)] for k in pattern]])
    # |A| <= 3: the expansion of the flow, exp|A|, is then 20 at most, and rounding with it.
    size = np.abs(family.velocity(theta)).max() * max(cells) * 4 / min(h - lo for lo, h in family.domain)
    return family, theta * (3 / size) if size > 3 else theta


@st.composite
def flows_and_points(draw):
    """Points (P, 2) on a lattice that holds all vertices, and anywhere."""
    family, theta = draw(flows())
    low, high = np.array(family.domain).T
    on_lattice = st.tuples(
        *(st.integers(-2, 4 * n + 2).map(lambda i, n=n: i / (4 * n)) for n in family.tessellation.cells)
    )
    anywhere = st.tuples(st.floats(-0.5, 1.5), st.floats(-0.5, 1.5))
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


@bounded
@given(flows_and_points())
def test_gradient_of_points_is_a_directional_derivative(case):
    """<c, dT u> = <dT^T c, u>: the way back agrees with a step forwards.

    A point that rests on a face, or moves along one, has several derivatives there, of which the
    gradient is one. So the points are moved off the faces, a little.
    """
    family, theta, points = case
    rng = np.random.default_rng(0)
    points = points + 1e-3 * rng.uniform(0.1, 1, points.shape)
    cotangent, direction = rng.standard_normal((2, 1, *points.shape))
    grad, _ = family.vjp(points[None], theta, cotangent)
    h = 1e-6
    ahead, behind = (family.transform(points + s * h * direction[0], theta) for s in (1, -1))
    difference = (cotangent * (ahead - behind)).sum(-1) / (2 * h)
    # Differences are of first order only, where a trajectory ends on a face.
    np.testing.assert_allclose((grad * direction).sum(-1), difference, rtol=0, atol=1e-3)
