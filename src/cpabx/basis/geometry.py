"""Barycentric coordinates as affine functions, and the sides of the box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.tessellation import Tessellation

Array = NDArray[np.float64]


def barycentric(tess: Tessellation, cells: slice | NDArray[np.int64] = slice(None)) -> Array:
    """(C, n + 1, n + 1): per corner k of the chosen cells, g and b with lambda_k(x) = g . x + b."""
    n = tess.ndim
    corners = tess.vertices[tess.cell_vertices[cells]]
    # From edges and centroids, which are small differences: domains may lie far from the origin. In units of boxes,
    # whose determinants neither over- nor underflow.
    edges = (corners[:, 1:] - corners[:, :1]) / widths(tess)
    result = np.empty((len(corners), n + 1, n + 1))
    result[:, 1:, :n] = np.swapaxes(np.linalg.inv(edges), -1, -2) / widths(tess)
    result[:, 0, :n] = -result[:, 1:, :n].sum(axis=1)
    result[:, :, n] = 1 / (n + 1) - np.einsum("ckd,cd->ck", result[:, :, :n], corners.mean(axis=1))
    return result


def sides(tess: Tessellation) -> list[tuple[int, NDArray[np.bool_]]]:
    """Per side of the box: its axis, and which vertices lie on it."""
    tolerance = 1e-9 * (tess.upper - tess.lower)
    return [
        (axis, np.abs(tess.vertices[:, axis] - bound[axis]) <= tolerance[axis])
        for axis in range(tess.ndim)
        for bound in (tess.lower, tess.upper)
    ]


def touching(tess: Tessellation, on_side: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The cells that have a face on a side, in order."""
    return np.flatnonzero(on_side[tess.cell_vertices].sum(axis=1) == tess.ndim)


def widths(tess: Tessellation) -> Array:
    """(n,) sizes of a rectangle or box of the grid."""
    return (tess.upper - tess.lower) / tess.cells


def corners_of(tess: Tessellation, points: Array) -> tuple[NDArray[np.int64], Array]:
    """(P, n + 1) vertices of the cell that holds each point of the domain, and its barycentric coordinates there."""
    n, cells = tess.ndim, np.array(tess.cells)
    box = np.clip(((points - tess.lower) / widths(tess)).astype(np.int64), 0, cells - 1)
    per_box = tess.n_cells // int(np.prod(cells))
    first = per_box * (box @ np.cumprod([1, *cells[:-1]]))
    candidates = first[:, None] + np.arange(per_box)
    functions = barycentric(tess)[candidates]  # P, m, n + 1, n + 1
    shares = np.einsum("pmkd,pd->pmk", functions[..., :n], points) + functions[..., n]
    best = shares.min(axis=-1).argmax(axis=-1)
    everywhere = np.arange(len(points))
    return tess.cell_vertices[candidates[everywhere, best]], shares[everywhere, best]
