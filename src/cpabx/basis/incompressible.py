"""Fields without divergence, whose components depend on each other."""

from __future__ import annotations

import numpy as np

from cpabx.basis.elimination import solve_dense
from cpabx.basis.geometry import barycentric, widths
from cpabx.basis.maps import Array, DenseBasis
from cpabx.basis.nodal import nodal_basis
from cpabx.tessellation import Tessellation


def incompressible_basis(tess: Tessellation, boundary: str) -> DenseBasis:
    """Velocities at vertices as parameters, as in :func:`nodal_basis`, of fields with trace A_c = 0.

    Dense: one free velocity moves all that its displacement of volume reaches.
    """
    fields = nodal_basis(tess, boundary).to_dense().matrix
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
