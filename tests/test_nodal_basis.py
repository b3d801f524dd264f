"""Velocities at vertices as parameters: which are free, in every dimension, and what it costs."""

import time
import tracemalloc

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.errors import ShapeError

SMALL = [(4,), (3, 2), (1, 3), (1, 1, 1), (2, 2, 2), (1, 2, 3), (3, 1, 2)]
LARGE = [(64, 64), (16, 16, 16), (20_000,)]
each_boundary = pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
each_outside = pytest.mark.parametrize("outside", ["linear", "nearest"])


def fields(family):
    """(V n, d)"""
    n_components = family.tessellation.n_vertices * family.ndim
    return family.velocity(np.eye(family.n_params)).reshape(family.n_params, n_components).T


def constraints(family):
    """Rows on (V n,) velocities, from the words of the documentation alone."""
    tess, n = family.tessellation, family.ndim
    rows = []
    homogeneous = np.concatenate([tess.vertices, np.ones((tess.n_vertices, 1))], axis=1)
    for axis in range(n):
        for bound in (tess.lower[axis], tess.upper[axis]):
            on_side = np.isclose(tess.vertices[:, axis], bound)
            for vertex in np.flatnonzero(on_side):
                held = {"free": [], "sliding": [axis], "fixed": range(n)}[family.boundary]
                rows += [np.eye(tess.n_vertices * n)[vertex * n + component] for component in held]
            if tess.outside == "linear":
                derivatives = []
                for cell in tess.cell_vertices:
                    if on_side[cell].sum() == n:
                        row = np.zeros(tess.n_vertices)
                        row[cell] = np.linalg.inv(homogeneous[cell])[axis]
                        derivatives.append(row)
                for row in np.diff(derivatives, axis=0):
                    rows += list(np.kron(row, np.eye(n)))
    return np.reshape(rows, (-1, tess.n_vertices * n))


@each_outside
@each_boundary
@pytest.mark.parametrize("cells", SMALL, ids=str)
def test_all_of_the_null_space_of_the_constraints(cells, boundary, outside):
    family = Cpab(cells, boundary=boundary, outside=outside, basis="nodal")
    rows, basis = constraints(family), fields(family)
    assert np.abs(rows @ basis).max(initial=0) < 1e-12
    rank = np.linalg.matrix_rank(rows) if rows.size else 0
    assert family.n_params == len(basis) - rank == (np.linalg.matrix_rank(basis) if basis.size else 0)


@each_outside
@each_boundary
@pytest.mark.parametrize("cells", SMALL, ids=str)
def test_the_last_possible_components_depend_on_the_others(cells, boundary, outside):
    """A component is dependent if constraints fix it in terms of earlier ones: the rank falls without it."""
    family = Cpab(cells, boundary=boundary, outside=outside, basis="nodal")
    rows, basis = constraints(family), fields(family)
    ranks = [np.linalg.matrix_rank(rows[:, k:]) if rows[:, k:].size else 0 for k in range(len(basis) + 1)]
    free = np.flatnonzero(np.diff(ranks) == 0)
    np.testing.assert_array_equal(basis[free], np.eye(family.n_params))


@each_outside
@each_boundary
@pytest.mark.parametrize("cells", [*SMALL, (9, 7), (4, 5, 3)], ids=str)
def test_pull_back_is_the_adjoint(cells, boundary, outside):
    family = Cpab(cells, boundary=boundary, outside=outside, basis="nodal")
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((3, family.n_params))
    velocity = family.velocity(theta).reshape(3, -1)
    grad = rng.standard_normal(velocity.shape)
    for basis in (family.basis, family.basis.to_dense()):
        assert basis.pull_back(grad).shape == theta.shape
        np.testing.assert_allclose((basis.pull_back(grad) * theta).sum(1), (grad * velocity).sum(1), rtol=1e-12)
    np.testing.assert_allclose(family.basis.to_dense().matrix @ theta.T, velocity.T, atol=1e-13)


@pytest.mark.parametrize("domain", [(0, 1), (-3, 7), (1e6, 1e6 + 1), (0, 1e-9)], ids=str)
def test_the_domain_changes_nothing(domain):
    """Parameters are velocities, so neither its size nor its place matter."""
    for cells in ((3, 4), (2, 3, 2)):
        expected, got = (fields(Cpab(cells, basis="nodal", domain=d)) for d in ((-1, 1), domain))
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


@pytest.mark.slow
@each_outside
@each_boundary
@pytest.mark.parametrize("cells", LARGE, ids=str)
def test_a_large_tessellation_is_made_at_once(cells, boundary, outside):
    """No matrix of vertices or dependent components times parameters: these take 65 MB to 2 GB."""
    start = time.process_time()
    family = Cpab(cells, boundary=boundary, outside=outside, basis="nodal")
    assert time.process_time() - start < 0.5
    tracemalloc.start()
    try:
        family = Cpab(cells, boundary=boundary, outside=outside, basis="nodal")
        theta = family.sample(2, seed=0, dtype="float64")
        family.basis.pull_back(family.velocity(theta).reshape(2, -1))
        repr(family), hash(family)
        with pytest.raises(ShapeError):
            family.velocity(theta[:, :-1])
        assert tracemalloc.get_traced_memory()[1] < 40e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cells", [(64, 64), (16, 16, 16)], ids=str)
def test_a_large_field_has_one_outward_derivative_per_side(cells):
    family = Cpab(cells, basis="nodal")
    velocity = family.velocity(family.sample(1, seed=0, scale=1.0, dtype="float64"))[0]
    tess = family.tessellation
    for axis in range(family.ndim):
        for bound in (-1, 1):
            touching = np.isclose(tess.vertices[tess.cell_vertices][..., axis], bound).sum(1) == family.ndim
            corners = tess.vertices[tess.cell_vertices[touching]]
            homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
            matrices = np.linalg.solve(homogeneous, velocity[tess.cell_vertices[touching]])
            np.testing.assert_allclose(matrices[:, axis], matrices[:1, axis].repeat(len(matrices), 0), atol=1e-10)


@pytest.mark.parametrize("cells", [(64, 64), (16, 16, 16)], ids=str)
def test_a_large_field_is_inverted_and_differentiated(cells):
    """The gradient along a direction by a central difference."""
    family = Cpab(cells, basis="nodal")
    theta, along = (family.sample(1, seed=seed, scale=2e-3, dtype="float64") for seed in (0, 1))
    rng = np.random.default_rng(0)
    points, cotangent = rng.uniform(-1, 1, (1, 500, family.ndim)), rng.standard_normal((1, 500, family.ndim))
    np.testing.assert_allclose(family.inverse(family.transform(points, theta), theta), points, rtol=0, atol=1e-12)
    _, grad = family.vjp(points, theta, cotangent)
    h = 1e-5  # trajectories cross kinks in between: the error is of first order
    ends = [(family.transform(points, theta + s * h * along) * cotangent).sum() for s in (1, -1)]
    np.testing.assert_allclose((grad * along).sum(), (ends[0] - ends[1]) / (2 * h), rtol=1e-5)
