"""Velocities at vertices as parameters."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.basis.constraints import outward_derivative_rows, zero_components
from cpabx.basis.elimination import Row, solve_sparse
from cpabx.basis.maps import Array, Index, NodalBasis
from cpabx.tessellation import Tessellation


def nodal_basis(tess: Tessellation, boundary: str) -> NodalBasis:
    """Free components as they are; later vertices (in 2D, centres) are made dependent first."""
    zero = zero_components(tess, boundary)
    rows = outward_derivative_rows(tess) if tess.outside == "linear" else []
    dependent: dict[int, Row] = {}
    solved: dict[bytes, dict[int, Row]] = {}
    for axis in range(tess.ndim):
        key = zero[:, axis].tobytes()  # with a free boundary, all components are solved alike
        if key not in solved:
            forbidden = set(np.flatnonzero(zero[:, axis]).tolist())
            solved[key] = solve_sparse({v: c for v, c in row.items() if v not in forbidden} for row in rows)
        for vertex, terms in solved[key].items():
            dependent[vertex * tess.ndim + axis] = {v * tess.ndim + axis: c for v, c in terms.items()}
    return _assemble(zero.reshape(-1), dependent)


def _assemble(zero: NDArray[np.bool_], dependent: dict[int, Row]) -> NodalBasis:
    """The basis of components that are zero, combinations of others, or else free."""
    sums = [(component, terms) for component, terms in sorted(dependent.items()) if terms]
    free = ~zero
    free[list(dependent)] = False
    n_params = int(free.sum())
    order = np.full(len(zero), n_params + len(sums))
    order[free] = np.arange(n_params)
    order[[component for component, _ in sums]] = n_params + np.arange(len(sums))
    index, weight = _padded([terms for _, terms in sums])
    return NodalBasis(n_params, order[index], weight, order)


def _padded(sums: list[Row]) -> tuple[Index, Array]:
    """Components and weights of sums, (m, k) both, for the longest of k terms."""
    longest = max(map(len, sums), default=0)
    index = np.zeros((len(sums), longest), np.int64)
    weight = np.zeros((len(sums), longest))
    for r, terms in enumerate(sums):
        ordered = sorted(terms.items())
        index[r, : len(ordered)] = [component for component, _ in ordered]
        weight[r, : len(ordered)] = [coefficient for _, coefficient in ordered]
        index[r, len(ordered) :] = ordered[0][0]  # some free component
    return index, weight
