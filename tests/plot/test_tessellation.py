"""Edges: each of them, once, and where the tessellation says."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import cpabx
from cpabx import plot
from cpabx.errors import OptionError


def drawn_edges(collection):
    return {frozenset(map(tuple, np.round(segment, 12))) for segment in collection.get_segments()}


@pytest.mark.parametrize(("cells", "domain"), [((1, 1), (-1, 1)), ((4, 4), (-1, 1)), ((3, 5), ((0, 2), (-3, 1)))])
def test_triangles_tile_the_domain(cells, domain):
    """Euler: V - E + F = 1 in a disc. A picture with an edge too many, or one too few, fails."""
    tess = cpabx.Tessellation(cells, domain=domain)
    (collection,) = plot.tessellation(tess).collections
    edges = drawn_edges(collection)
    assert len(collection.get_segments()) == len(edges)
    assert tess.n_vertices - len(edges) + tess.n_cells == 1
    assert set().union(*edges) == {tuple(v) for v in np.round(tess.vertices, 12)}
    for triangle in tess.vertices[tess.cell_vertices]:
        for i in range(3):
            assert frozenset(map(tuple, np.round(np.delete(triangle, i, axis=0), 12))) in edges


@pytest.mark.parametrize("cells", [(1, 1, 1), (2, 3, 2)])
def test_tetrahedra_tile_the_domain(cells):
    """Euler: V - E + F - C = 1 in a ball, where C tetrahedra have F faces."""
    tess = cpabx.Tessellation(cells)
    ax = plot.tessellation(tess)
    (collection,) = ax.collections
    n_edges = len(np.unique(collection._segments3d, axis=0))
    assert n_edges == len(collection._segments3d)
    faces = np.concatenate([np.delete(tess.cell_vertices, i, axis=1) for i in range(4)])
    n_faces = len(np.unique(np.sort(faces, axis=1), axis=0))
    assert tess.n_vertices - n_edges + n_faces - tess.n_cells == 1
    assert ax.get_zlim() == (-1, 1)


def test_knots_of_an_interval():
    """A line per knot, over the whole height whatever the axes show."""
    ax = plot.tessellation(cpabx.Cpab(5, domain=(0, 2)))
    (collection,) = ax.collections
    segments = np.array(collection.get_segments())
    np.testing.assert_allclose(np.sort(segments[:, 0, 0]), np.linspace(0, 2, 6))
    np.testing.assert_array_equal(segments[:, 0, 0], segments[:, 1, 0])
    ends = collection.get_transform().transform(segments[0])
    np.testing.assert_allclose(ends[:, 1], ax.bbox.intervaly)


def test_y_points_down_and_shapes_are_true():
    ax = plot.tessellation(cpabx.Cpab((2, 2), domain=((0, 4), (0, 1))))
    low, high = ax.transData.transform([(0, 0), (4, 1)])
    assert low[0] < high[0]
    assert low[1] > high[1]
    assert ax.get_aspect() == 1


def test_style_is_that_of_a_line_collection():
    (collection,) = plot.tessellation(cpabx.Cpab((2, 2)), color="red", linewidth=3).collections
    assert collection.get_linewidth() == [3]
    np.testing.assert_array_equal(collection.get_color(), [(1, 0, 0, 1)])


def test_what_has_no_cells():
    with pytest.raises(OptionError, match="Affine"):
        plot.tessellation(cpabx.Affine())


@pytest.mark.parametrize(("cells", "projection"), [((2, 2, 2), None), ((2, 2), "3d"), ((2,), "3d")])
def test_axes_of_another_dimension(cells, projection):
    ax = plt.figure().add_subplot(projection=projection)
    with pytest.raises(OptionError, match="ax must be"):
        plot.tessellation(cpabx.Cpab(cells), ax=ax)
    with pytest.raises(OptionError, match="ax must be"):
        plot.tessellation(cpabx.Cpab(cells), ax="left")
