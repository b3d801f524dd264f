"""The same flow on finer cells, and how many of these it visits."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="the nodal benchmark runs in torch")

import cpabx
from benchmarks import nodal
from benchmarks.settings import Setting

COARSE, FINE = (nodal.nodal(Setting(cells, batch=2, side=5)) for cells in ((2, 2), (8, 8)))
POINTS = np.random.default_rng(0).uniform(-1, 1, size=(50, 2))


def test_a_field_on_finer_cells_is_the_same_field():
    theta = COARSE.sample(2, seed=0, scale=1.0, backend="numpy", dtype="float64")
    refined = nodal.refined(theta, COARSE, FINE)
    assert refined.shape == (2, FINE.n_params)
    np.testing.assert_allclose(FINE.transform(POINTS, refined), COARSE.transform(POINTS, theta), rtol=0, atol=1e-12)


def test_every_triangle_has_its_own_number():
    tess = cpabx.Tessellation((3, 2))
    corners = tess.vertices[tess.cell_vertices]
    weights = np.random.default_rng(0).dirichlet(np.ones(3), size=20)
    numbers = nodal.triangles(np.einsum("pk,ckd->cpd", weights, corners), tess.cells)
    assert (numbers == numbers[:, :1]).all()
    assert len(np.unique(numbers)) == tess.n_cells


def test_cells_visited_by_points_that_rest_and_by_points_that_cross_all():
    tess = FINE.tessellation
    still = np.zeros((1, FINE.n_params))
    assert nodal.cells_visited(FINE, still, np.tile(POINTS[:1], (nodal.FOLLOWED, 1))) == 1
    along_x = np.tile([1.8, 0.0], tess.n_vertices)[None]
    # From -0.9 to 0.9 through 8 rectangles, a little above their lower sides: three triangles of each, of which the
    # first of the first and the last of the last are not reached.
    start = np.tile([[-0.9, 0.05]], (nodal.FOLLOWED, 1))
    assert nodal.cells_visited(FINE, along_x, start) == 3 * 8 - 2
