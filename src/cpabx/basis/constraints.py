"""What a boundary asks of the velocities at the vertices, one component at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.basis.elimination import Row
from cpabx.basis.geometry import barycentric, sides, touching, widths
from cpabx.tessellation import Tessellation

BOUNDARIES = ("free", "sliding", "fixed")


def zero_components(tess: Tessellation, boundary: str) -> NDArray[np.bool_]:
    """(V, n) components that the boundary forbids: normal ones if sliding, all if fixed."""
    zero = np.zeros((tess.n_vertices, tess.ndim), bool)
    for axis, on_side in sides(tess):
        if boundary == "sliding":
            zero[on_side, axis] = True
        elif boundary == "fixed":
            zero[on_side] = True
    return zero


def outward_derivative_rows(tess: Tessellation) -> list[Row]:
    """Constraints on any one component that make all cells along a side share one outward derivative.

    Each cell is compared with the side's first one, in units of cells: the numbers are then those of
    one tessellation of the unit cube, whatever the domain.
    """
    rows = []
    for axis, on_side in sides(tess):
        cells = touching(tess, on_side)
        slopes = barycentric(tess, cells)[:, :, axis] * widths(tess)[axis]
        derivatives = [
            {vertex: slope for vertex, slope in zip(*pair, strict=True) if abs(slope) > 1e-9}
            for pair in zip(tess.cell_vertices[cells].tolist(), slopes.tolist(), strict=True)
        ]
        rows += [_difference(derivative, derivatives[0]) for derivative in derivatives[1:]]
    return rows


def _difference(a: Row, b: Row) -> Row:
    return {vertex: a.get(vertex, 0.0) - b.get(vertex, 0.0) for vertex in {**a, **b}}
