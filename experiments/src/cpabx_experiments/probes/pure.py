"""CPAB as section 4.2.1 has it in a framework's own operations, as far as it needs no framework.

Time is cut into equal steps. In a step, a point moves by the exact flow of the affine velocity of the region that it
starts in: x -> E x + f, where (E, f) are rows of a matrix exponential. A point that crosses a border in a step follows
the wrong field for part of it. The field being continuous, the error is of second order in the step.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx import Cpab
from cpabx.errors import OptionError

Array = NDArray[np.float64]

#: Steps of the other implementations of CPAB.
STEPS = 50


def check(family: Cpab) -> tuple[int, int]:
    """(nx, ny). Raises OptionError unless the family is one of those that are written out here."""
    tess = family.tessellation
    if tess.ndim != 2 or tess.outside != "linear" or tess.domain != ((-1.0, 1.0), (-1.0, 1.0)):
        raise OptionError("the pure form is for 2D, [-1, 1]^2 and outside='linear'", repr(family), "Take Cpab((4, 4)).")
    nx, ny = tess.cells
    return nx, ny


def velocity_maps(family: Cpab) -> Array:
    """(R, 2, 3, d): per region the matrix A_r of v = A_r [x, y, 1], as a linear function of theta.

    Regions are 4 triangles for each of the rectangles, x fastest, in the order below, right, above, left of the middle,
    then what lies beyond the corners (-1, -1), (1, -1), (-1, 1), (1, 1). Beyond a side, its triangles continue.
    """
    nx, ny = check(family)
    tess = family.tessellation
    fields = family.basis.to_dense().matrix.reshape(len(tess.vertices), 2, -1)
    homogeneous = np.concatenate([tess.vertices, np.ones((len(tess.vertices), 1))], axis=1)
    maps = np.empty((4 * nx * ny + 4, 2, 3, fields.shape[2]))
    for cell in tess.cell_vertices:
        inverse = np.linalg.inv(homogeneous[cell])  # rows [x, y, 1] of the three vertices
        middle = tess.vertices[cell].mean(0)
        maps[_region(middle, nx, ny)] = np.einsum("kv,vcd->ckd", inverse, fields[cell])
    for corner, (x, y) in enumerate(((-1, -1), (1, -1), (-1, 1), (1, 1))):
        i, j = (nx - 1 if x > 0 else 0), (ny - 1 if y > 0 else 0)
        rectangle = 4 * (j * nx + i)
        side, end = maps[rectangle + (1 if x > 0 else 3)], maps[rectangle + (2 if y > 0 else 0)]
        at_corner = np.einsum("ckd,k->cd", side, np.array([x, y, 1.0]))
        dx, dy = side[:, 0], end[:, 1]  # the outward derivatives of the two sides
        maps[-4 + corner] = np.stack([dx, dy, at_corner - x * dx - y * dy], axis=1)
    return maps


def _region(point: Array, nx: int, ny: int) -> int:
    """The number of the triangle that a point is inside of."""
    u = (point + 1) / 2 * (nx, ny)
    i, j = np.floor(u).astype(int)
    p, q = u - (i, j) - 0.5
    return int(4 * (j * nx + i)) + ((1 if p > 0 else 3) if abs(p) > abs(q) else (2 if q > 0 else 0))


__all__ = ["STEPS", "check", "velocity_maps"]
