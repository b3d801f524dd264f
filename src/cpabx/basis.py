"""From theta to vertex velocities: V = N theta, for every boundary and parametrisation.

A continuous piecewise-affine field is its velocities at the vertices, so continuity needs no
constraints. What the boundary asks for is linear in the velocities, and its null space has a natural
sparse basis: solve the constraints for some of the components (the dependent ones) in terms of the
others (the free ones, which are theta). The paper's basis (orthonormal in the space of the matrices
A_c, Freifeld et al. 2017) is that basis after Gram-Schmidt: unique, hence the same on every machine,
which a null space from an SVD is not.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, TessellationError
from cpabx.tessellation import Tessellation

Array = NDArray[np.float64]

BOUNDARIES = ("free", "sliding", "fixed")
BASES = ("orthonormal", "nodal")


@dataclass(frozen=True)
class DenseBasis:
    """V = matrix @ theta; ``matrix`` is (V n, d), rows by vertex, then component."""

    matrix: Array

    @functools.cached_property
    def _transposed(self) -> Array:
        return _frozen(self.matrix.T)

    @property
    def n_params(self) -> int:
        return int(self.matrix.shape[1])

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        return backend.matmul(theta, backend.constant(self._transposed, like=theta))

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        return np.asarray(grad_velocity @ self.matrix.astype(grad_velocity.dtype))


@dataclass(frozen=True)
class NodalBasis:
    """theta are the free components themselves; the dependent ones are ``dependent @ theta``.

    ``order`` says where component i stands in the concatenation of both.
    """

    n_params: int
    dependent: Array
    order: NDArray[np.int64]

    @functools.cached_property
    def _transposed(self) -> Array:
        return _frozen(self.dependent.T)

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        others = backend.matmul(theta, backend.constant(self._transposed, like=theta))
        return backend.take(backend.concat([theta, others], axis=-1), self.order, axis=-1)

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        both = np.empty_like(grad_velocity)
        both[:, self.order] = grad_velocity
        dependent = self.dependent.astype(grad_velocity.dtype)
        return np.asarray(both[:, : self.n_params] + both[:, self.n_params :] @ dependent)

    def to_dense(self) -> DenseBasis:
        both = np.vstack([np.eye(self.n_params), self.dependent])
        return DenseBasis(both[self.order])


def _frozen(array: Array) -> Array:
    copy = np.ascontiguousarray(array)
    copy.flags.writeable = False
    return copy


def make_basis(
    tess: Tessellation, boundary: str, kind: Any, *, volume_preserving: bool = False
) -> DenseBasis | NodalBasis:
    """The basis of the fields with this boundary; ``kind`` as in :class:`cpabx.Cpab`.

    Raises:
        OptionError: unknown boundary or kind.
        TessellationError: an array that is not a basis of continuous fields.
    """
    if boundary not in BOUNDARIES:
        raise OptionError(f"boundary must be one of {', '.join(BOUNDARIES)}", repr(boundary), "Choose one of them.")
    if not isinstance(kind, str):
        return from_affine(tess, kind)
    if kind not in BASES:
        raise OptionError(f"basis must be one of {', '.join(BASES)}, or an array", repr(kind), "Choose one of them.")
    nodal = incompressible_basis(tess, boundary) if volume_preserving else nodal_basis(tess, boundary)
    return nodal if kind == "nodal" else orthonormal(tess, nodal)


# -- constraints on vertex velocities ------------------------------------------------------------


def _sides(tess: Tessellation) -> list[tuple[int, NDArray[np.bool_]]]:
    """Per side of the box: its axis, and which vertices lie on it."""
    tolerance = 1e-9 * (tess.upper - tess.lower)
    return [
        (axis, np.abs(tess.vertices[:, axis] - bound[axis]) <= tolerance[axis])
        for axis in range(tess.ndim)
        for bound in (tess.lower, tess.upper)
    ]


def zero_components(tess: Tessellation, boundary: str) -> NDArray[np.bool_]:
    """(V, n) components that the boundary forbids: normal ones if sliding, all if fixed."""
    zero = np.zeros((tess.n_vertices, tess.ndim), bool)
    for axis, on_side in _sides(tess):
        if boundary == "sliding":
            zero[on_side, axis] = True
        elif boundary == "fixed":
            zero[on_side] = True
    return zero


def gradients(tess: Tessellation) -> Array:
    """(C, n + 1, n) gradients of the barycentric coordinates of every simplex."""
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    return np.swapaxes(np.linalg.inv(homogeneous), -1, -2)[..., : tess.ndim]


def outward_derivative_rows(tess: Tessellation) -> Array:
    """(rows, V) constraints that make all cells along a side share one outward derivative."""
    slopes = gradients(tess)
    rows = []
    for axis, on_side in _sides(tess):
        touching = np.flatnonzero(on_side[tess.cell_vertices].sum(axis=1) == tess.ndim)
        derivative = np.zeros((len(touching), tess.n_vertices))
        np.put_along_axis(derivative, tess.cell_vertices[touching], slopes[touching, :, axis], axis=1)
        # In units of cells, so that pivots are of one size whatever the domain's shape.
        rows.append(np.diff(derivative, axis=0) * (tess.upper - tess.lower)[axis] / tess.cells[axis])
    return np.concatenate(rows)


# -- parametrisations ----------------------------------------------------------------------------


def nodal_basis(tess: Tessellation, boundary: str) -> NodalBasis:
    """Free components as they are; later vertices (centres) are made dependent first."""
    zero = zero_components(tess, boundary)
    rows = outward_derivative_rows(tess) if tess.outside == "linear" else np.zeros((0, tess.n_vertices))
    components = [_solve(rows[:, ~zero[:, axis]]) for axis in range(tess.ndim)]
    free = ~zero
    solutions = []
    for axis, (pivots, solution) in enumerate(components):
        allowed = np.flatnonzero(~zero[:, axis])
        free[allowed[pivots], axis] = False
        solutions.append((allowed[pivots], allowed, solution))
    n_params = int(free.sum())
    column = np.full(free.shape, -1)
    column[free] = np.arange(n_params)
    dependent = np.zeros((int((~free).sum()), n_params))
    row = np.full(free.shape, -1)
    row[~free] = np.arange(len(dependent))
    for axis, (pivots, allowed, solution) in enumerate(solutions):
        is_free = free[allowed, axis]
        dependent[np.ix_(row[pivots, axis], column[allowed[is_free], axis])] = solution[:, is_free]
    order = np.where(free, column, n_params + row).reshape(-1)
    return NodalBasis(n_params, dependent, order.astype(np.int64))


def divergence_rows(tess: Tessellation) -> Array:
    """(C, V n) constraints trace A_c = 0, on velocities in cells per time, rows of size 1."""
    widths = (tess.upper - tess.lower) / tess.cells
    rows = np.zeros((tess.n_cells, tess.n_vertices, tess.ndim))
    np.put_along_axis(rows, tess.cell_vertices[..., None], gradients(tess) * widths, axis=1)
    return rows.reshape(tess.n_cells, -1)


def incompressible_basis(tess: Tessellation, boundary: str) -> NodalBasis:
    """As :func:`nodal_basis` for fields without divergence, which couples their components."""
    n = tess.ndim
    rows = [divergence_rows(tess)]
    if tess.outside == "linear":
        rows += [np.kron(outward_derivative_rows(tess), np.eye(n)[axis]) for axis in range(n)]
    allowed = np.flatnonzero(~zero_components(tess, boundary).reshape(-1))
    pivots, solution = _solve(np.concatenate(rows)[:, allowed])
    free = np.zeros(tess.n_vertices * n, bool)
    free[allowed] = True
    free[allowed[pivots]] = False
    is_free = free[allowed]
    widths = np.tile((tess.upper - tess.lower) / tess.cells, tess.n_vertices)
    n_params = int(free.sum())
    dependent = np.zeros((len(free), n_params))
    dependent[allowed[pivots]] = widths[allowed[pivots], None] * solution[:, is_free] / widths[None, allowed[is_free]]
    order = np.where(free, np.cumsum(free) - 1, n_params + np.cumsum(~free) - 1)
    return NodalBasis(n_params, dependent[~free], order.astype(np.int64))


def _solve(rows: Array) -> tuple[NDArray[np.int64], Array]:
    """Solves rows @ v = 0 for its last possible components.

    Returns the indices of the dependent components and the matrix that gives them from all.
    """
    work, pivots = rows.copy(), []
    rank = 0
    for column in range(work.shape[1] - 1, -1, -1):
        if rank == len(work):
            break
        best = rank + int(np.argmax(np.abs(work[rank:, column])))
        if abs(work[best, column]) < 1e-9:  # entries are of size 1: see outward_derivative_rows
            continue
        work[[rank, best]] = work[[best, rank]]
        work[rank] /= work[rank, column]
        others = np.flatnonzero(work[:, column])
        others = others[others != rank]
        work[others] -= np.outer(work[others, column], work[rank])
        pivots.append(column)
        rank += 1
    solution = -work[:rank]
    solution[np.arange(rank), pivots] = 0
    solution[np.abs(solution) < 1e-12] = 0
    return np.array(pivots, dtype=np.int64), solution


def to_affine(tess: Tessellation, matrix: Array) -> Array:
    """The matrices A_c of fields with vertex velocities ``matrix`` (V n, d).

    Returns (C n (n + 1), d): per cell the rows of A_c, v(x) = A_c [x; 1].
    """
    n, d = tess.ndim, matrix.shape[1]
    at_corners = matrix.reshape(tess.n_vertices, n, d)[tess.cell_vertices]  # C, n + 1, n, d
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    inverse = np.linalg.inv(homogeneous)  # C, n + 1 (coefficient), n + 1 (corner)
    return np.asarray(np.einsum("cak,ckid->ciad", inverse, at_corners)).reshape(-1, d)


def orthonormal(tess: Tessellation, nodal: NodalBasis) -> DenseBasis:
    """The paper's basis: columns orthonormal in A-space, from the nodal ones by Gram-Schmidt."""
    dense = nodal.to_dense().matrix
    if dense.shape[1] == 0:
        return DenseBasis(dense)
    _, upper = np.linalg.qr(to_affine(tess, dense))
    upper *= np.where(np.diag(upper) < 0, -1.0, 1.0)[:, None]  # LAPACK leaves the signs open
    return DenseBasis(np.linalg.solve(upper.T, dense.T).T)


def from_affine(tess: Tessellation, basis: Any) -> DenseBasis:
    """Vertex velocities of a basis (C n (n + 1), d) in A-space, which must be continuous."""
    n, n_rows = tess.ndim, tess.n_cells * tess.ndim * (tess.ndim + 1)
    try:
        values = np.array(basis, dtype=np.float64)
    except (TypeError, ValueError):
        values = np.zeros(0)
    if values.ndim != 2 or values.shape[0] != n_rows or not np.isfinite(values).all():
        raise TessellationError(
            f"basis must be a finite array ({n_rows}, d) for cells {tess.cells}: n (n + 1) numbers per simplex",
            f"{type(basis).__name__} of shape {getattr(basis, 'shape', 'unknown')}",
            "Check its cell order and orientation; columns are basis fields.",
        )
    d = values.shape[1]
    matrices = values.reshape(tess.n_cells, n, n + 1, d)
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    at_corners = np.einsum("ciad,cka->ckid", matrices, homogeneous).reshape(-1, n, d)
    index = tess.cell_vertices.reshape(-1)
    total = np.zeros((tess.n_vertices, n, d))
    np.add.at(total, index, at_corners)
    mean = total / np.bincount(index)[:, None, None]
    jump, size = np.abs(at_corners - mean[index]).max(initial=0), np.abs(at_corners).max(initial=0)
    if jump > 1e-4 * size:  # peers store float32
        raise TessellationError(
            "basis fields must be continuous across cells",
            f"velocities at shared vertices that differ by {jump:.1e} of {size:.1e}",
            "Check the order of its cells and rows, and the domain.",
        )
    return DenseBasis(mean.reshape(-1, d))


def continues_linearly(tess: Tessellation, basis: DenseBasis | NodalBasis) -> bool:
    """Whether all fields of a basis have one outward derivative per side."""
    dense = basis.matrix if isinstance(basis, DenseBasis) else basis.to_dense().matrix
    rows = outward_derivative_rows(tess)
    velocities = dense.reshape(tess.n_vertices, -1)
    return bool(np.abs(rows @ velocities).max(initial=0) <= 1e-4 * np.abs(dense).max(initial=0))


__all__ = ["BASES", "BOUNDARIES", "DenseBasis", "NodalBasis", "continues_linearly", "from_affine", "make_basis"]
