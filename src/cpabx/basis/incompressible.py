"""Fields without divergence, whose components depend on each other."""

from __future__ import annotations

import numpy as np

from cpabx.basis.elimination import solve_dense
from cpabx.basis.geometry import barycentric, widths
from cpabx.basis.maps import Array, DenseBasis, NodalBasis, check_dense
from cpabx.tessellation import Tessellation

#: Of all fields with the boundary, before those without divergence are chosen; that takes ten times as much.
_MOST_BYTES = 1 << 28


def incompressible_basis(tess: Tessellation, nodal: NodalBasis) -> DenseBasis:
    """Velocities at vertices as parameters, as in a nodal basis, of those of its fields with trace A_c = 0.

    Dense: one free velocity moves all that its displacement of volume reaches.

    Raises:
        TessellationError: elimination would take minutes, and gigabytes.
    """
    check_dense(
        len(nodal.order),
        nodal.n_params,
        most=_MOST_BYTES,
        remedy="Use fewer cells: fields without divergence have no sparse basis.",
    )
    fields = nodal.to_dense().matrix
    dependent, solution = solve_dense(divergence(tess, fields))
    # Solved in cells per time, where coefficients are of size 1 and do not depend on the domain.
    units = np.tile(widths(tess), tess.n_vertices)[np.argmax(fields == 1, axis=0)]
    free = np.delete(np.arange(fields.shape[1]), dependent)
    choice = np.zeros((fields.shape[1], len(free)))
    choice[free, np.arange(len(free))] = 1
    choice[dependent] = units[dependent, None] * solution[:, free] / units[free]
    return DenseBasis(fields @ choice)


def divergence(tess: Tessellation, fields: Array) -> Array:
    """(C, d) traces of the A_c of fields (V n, d), all in cells per time."""
    slopes = barycentric(tess)[:, :, : tess.ndim] * widths(tess)
    velocities = fields.reshape(tess.n_vertices, tess.ndim, fields.shape[1])
    traces = np.zeros((tess.n_cells, fields.shape[1]))
    for k, axis in np.ndindex(slopes.shape[1:]):
        traces += slopes[:, k, axis, None] * velocities[tess.cell_vertices[:, k], axis]
    return traces
