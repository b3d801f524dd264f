"""The complex of simplices: what is where, and what cannot be made."""

import copy
import pickle

import numpy as np
import pytest

import cpabx
from cpabx import Tessellation
from cpabx.errors import OptionError, TessellationError

SIZES = [(1, 1), (2, 2), (4, 4), (3, 5), (7, 1)]
each_size = pytest.mark.parametrize("cells", SIZES, ids=str)


def areas(tess):
    a, b, c = np.moveaxis(tess.vertices[tess.cell_vertices], 1, 0)
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


@each_size
def test_corners_come_first_then_centres_x_fastest(cells):
    nx, ny = cells
    tess = Tessellation(cells, domain=((0, 1), (-2, 3)))
    x, y = np.linspace(0, 1, nx + 1), np.linspace(-2, 3, ny + 1)
    corners = [(a, b) for b in y for a in x]
    centres = [(a, b) for b in (y[1:] + y[:-1]) / 2 for a in (x[1:] + x[:-1]) / 2]
    np.testing.assert_allclose(tess.vertices, corners + centres, rtol=0, atol=1e-14)
    assert tess.n_vertices == len(corners) + len(centres)


@each_size
def test_triangles_are_numbered_as_documented(cells):
    """4 (i + nx j) + k, with k = 0 at the low-y side, 1 high x, 2 high y, 3 low x."""
    nx, ny = cells
    tess = Tessellation(cells)
    assert tess.n_cells == len(tess.cell_vertices) == 4 * nx * ny
    middle = tess.vertices[tess.cell_vertices].mean(1).reshape(ny, nx, 4, 2)
    width = (tess.upper - tess.lower) / cells
    for j in range(ny):
        for i in range(nx):
            centre = tess.lower + width * (i + 0.5, j + 0.5)
            expected = centre + np.array([[0, -1], [1, 0], [0, 1], [-1, 0]]) * width / 3
            np.testing.assert_allclose(middle[j, i], expected, rtol=0, atol=1e-14)


@each_size
def test_triangles_tile_the_domain(cells):
    """Equal quarters of equal rectangles, none degenerate."""
    tess = Tessellation(cells, domain=((0, 1), (-2, 3)))
    np.testing.assert_allclose(np.abs(areas(tess)), 5 / tess.n_cells, rtol=1e-12)


@each_size
def test_neighbours_share_whole_edges(cells):
    """No vertex lies inside another triangle's edge: continuity needs no constraints."""
    nx, ny = cells
    count = {}
    for triangle in Tessellation(cells).cell_vertices:
        for k in range(3):
            edge = frozenset(np.delete(triangle, k).tolist())
            count[edge] = count.get(edge, 0) + 1
    assert sorted(count.values()).count(1) == 2 * (nx + ny)
    assert max(count.values()) <= 2


def test_intervals_in_one_dimension():
    tess = Tessellation(3, domain=(0, 1))
    assert tess == Tessellation((3,), domain=(0, 1))
    np.testing.assert_allclose(tess.vertices, [[0], [1 / 3], [2 / 3], [1]], atol=1e-15)
    assert np.abs(np.diff(tess.cell_vertices, axis=1)).tolist() == [[1], [1], [1]]


def test_tables_are_read_only():
    """They are shared by everybody who asks."""
    tess = Tessellation((2, 2))
    for table in (tess.vertices, tess.cell_vertices):
        with pytest.raises(ValueError, match="read-only"):
            table[0] = 0


def test_equality_is_by_arguments():
    a = Tessellation((2, 3), domain=(-1, 1), outside="linear")
    assert a == Tessellation([2, 3], domain=[[-1.0, 1.0], [-1.0, 1.0]])
    assert hash(a) == hash(Tessellation(np.array([2, 3])))
    for other in (
        Tessellation((3, 2)),
        Tessellation((2, 3), domain=(0, 1)),
        Tessellation((2, 3), outside="nearest"),
        5,
    ):
        assert a != other


def test_copies_are_equal_and_share_the_native_handle():
    tess = Tessellation((2, 3), domain=((0, 1), (-2, 3)), outside="nearest")
    for other in (copy.copy(tess), copy.deepcopy(tess), pickle.loads(pickle.dumps(tess)), eval(repr(tess))):
        assert other == tess
        assert other.handle is tess.handle
        np.testing.assert_array_equal(other.vertices, tess.vertices)


@pytest.mark.parametrize(
    "cells",
    [
        (0, 4),
        (4, -1),
        (),
        (2.0, 2),
        (2**10, 2**10, 1),
        (1, 1, 1, 1),
        "44",
        b"44",
        None,
        (None, 2),
        (2**20, 2**20),
        2**40,
        0,
        1.5,
    ],
    ids=repr,
)
@pytest.mark.parametrize("make", [Tessellation, cpabx.Cpab])
def test_impossible_cells(make, cells):
    """Before any memory is asked for."""
    with pytest.raises(TessellationError) as caught:
        make(cells)
    assert caught.value.asked
    assert caught.value.received
    assert caught.value.remedy


@pytest.mark.parametrize(
    "domain",
    [
        (1, -1),
        (0, 0),
        (0, float("inf")),
        (float("nan"), 1),
        (0, 1, 2),
        ((0, 1),),
        ((0, 1),) * 3,
        "ab",
        None,
        3,
        ((0, 1), (2, 1)),
    ],
    ids=repr,
)
def test_impossible_domains(domain):
    with pytest.raises(TessellationError) as caught:
        Tessellation((2, 2), domain=domain)
    assert caught.value.remedy


def test_domain_without_room():
    """Finite bounds whose difference is not, or vanishes, are no domain either."""
    for domain in ((-1.7e308, 1.7e308), (1.0, np.nextafter(1.0, 2.0))):
        try:
            tess = Tessellation((4, 4), domain=domain)
        except TessellationError:
            continue
        assert np.isfinite(tess.vertices).all()


@pytest.mark.parametrize("outside", ["", "Linear", None, 0])
def test_unknown_outside(outside):
    with pytest.raises(OptionError, match="linear, nearest"):
        Tessellation((2, 2), outside=outside)


@pytest.mark.slow
def test_large_tessellations_are_possible():
    """A million triangles: tables, not search."""
    tess = Tessellation((500, 500))
    assert tess.n_cells == 1_000_000
    assert tess.cell_vertices.max() == tess.n_vertices - 1
