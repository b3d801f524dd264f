"""The linear maps from theta to vertex velocities, dense and sparse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import TessellationError
from cpabx.tracing import kept_by_owner

_T = TypeVar("_T", bound=np.generic)
Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Of a dense basis: what takes some seconds to make.
MOST_BYTES = 1 << 30


@dataclass(frozen=True)
class DenseBasis:
    """V = matrix @ theta; ``matrix`` is (V n, d), rows by vertex, then component, and a view of its transpose.

    Its transpose ``rows``, (d, V n), is contiguous and read only: velocities of theta (N, d) are theta @ rows.
    """

    matrix: Array
    rows: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        rows = np.ascontiguousarray(self.matrix.T)
        rows.flags.writeable = False  # backends may keep it
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "matrix", rows.T)

    @property
    def n_params(self) -> int:
        return int(self.matrix.shape[1])

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        return backend.matmul(theta, backend.constant(self.rows, like=theta))

    def coordinates(self, backend: Backend, velocity: Tensor) -> Tensor:
        """(N, d) theta whose velocities are nearest to some (N, V n), by least squares."""
        return backend.matmul(velocity, backend.constant(_left_inverse(self), like=velocity))

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        return np.asarray(grad_velocity @ self.matrix.astype(grad_velocity.dtype))

    def to_dense(self) -> DenseBasis:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return DenseBasis, (self.matrix,)


@dataclass(frozen=True)
class NodalBasis:
    """theta are the free components themselves; each of the others is a short sum of them, or zero.

    Dependent component r is the sum over j of ``weight[r, j] * theta[index[r, j]]``; shorter sums are
    padded with weights of 0. Component i of the velocities stands at ``order[i]`` in the concatenation
    of theta, the m dependent ones, and a zero.
    """

    n_params: int
    index: Index
    weight: Array
    order: Index
    _weights: Array = field(init=False, repr=False, compare=False)
    _indices: Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", frozen(self.weight.reshape(-1)))
        object.__setattr__(self, "_indices", frozen(self.index.reshape(-1)))
        object.__setattr__(self, "index", self._indices.reshape(self.index.shape))
        object.__setattr__(self, "order", frozen(self.order))

    def __reduce__(self) -> tuple[Any, ...]:
        return NodalBasis, (self.n_params, self.index, self.weight, self.order)

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        if len(self.order) == self.n_params:
            return theta
        parts = [theta]
        if len(self.weight):
            terms = backend.take(theta, self._indices, axis=-1) * backend.constant(self._weights, like=theta)
            parts.append(backend.sum(backend.reshape(terms, (-1, *self.weight.shape)), axis=-1))
        zero = backend.sum(theta[:, :1] * 0, axis=-1)[:, None]  # also where d = 0
        return backend.take(backend.concat([*parts, zero], axis=-1), self.order, axis=-1)

    def coordinates(self, backend: Backend, velocity: Tensor) -> Tensor:
        """(N, d) theta with the free components of velocities (N, V n)."""
        return backend.take(velocity, _free_places(self), axis=-1)

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        n_dependent = len(self.weight)
        parts = np.zeros((len(grad_velocity), self.n_params + n_dependent + 1), grad_velocity.dtype)
        parts[:, self.order] = grad_velocity
        grad, others = parts[:, : self.n_params].copy(), parts[:, self.n_params : -1]
        terms = others[:, :, None] * self.weight.astype(grad_velocity.dtype)
        np.add.at(grad.T, self.index.reshape(-1), terms.reshape(len(grad), self.index.size).T)
        return grad

    def along(self, axis: int, ndim: int) -> tuple[Index, NodalBasis]:
        """The columns that move vertices along an axis, and the basis of that component of the velocities alone."""
        own = self.order[axis::ndim]
        columns = np.sort(own[own < self.n_params])
        sums = np.sort(own[(own >= self.n_params) & (own < self.n_params + len(self.weight))]) - self.n_params
        places = np.full(self.n_params + len(self.weight) + 1, len(columns) + len(sums))
        places[np.concatenate([columns, self.n_params + sums])] = np.arange(len(columns) + len(sums))
        return columns, NodalBasis(len(columns), places[self.index[sums]], self.weight[sums], places[own])

    def to_dense(self) -> DenseBasis:
        """The same map, dense.

        Raises:
            TessellationError: it would be larger than ``MOST_BYTES``.
        """
        check_dense(len(self.order), self.n_params)
        rows = np.zeros((self.n_params, len(self.order)))
        free = self.order < self.n_params
        rows[self.order[free], np.flatnonzero(free)] = 1
        places = np.empty(self.n_params + len(self.weight) + 1, np.int64)
        places[self.order] = np.arange(len(self.order))
        dependent = places[self.n_params : self.n_params + len(self.weight), None]
        np.add.at(rows, (self.index, dependent), self.weight)
        return DenseBasis(rows.T)


@kept_by_owner
def _left_inverse(basis: DenseBasis) -> Array:
    """(V n, d): the transposed pseudo-inverse of the matrix."""
    orthogonal, upper = np.linalg.qr(basis.matrix)
    sizes = np.abs(upper.diagonal())
    if sizes.min(initial=1) <= 1e-10 * sizes.max(initial=1):  # columns of a user's own basis may depend on each other
        return frozen(np.asarray(np.linalg.pinv(basis.matrix).T, np.float64))
    return frozen(np.linalg.solve(upper, orthogonal.T).T)


@kept_by_owner
def _free_places(basis: NodalBasis) -> Index:
    """(d,): where each parameter stands among the velocities."""
    places = np.empty(basis.n_params + len(basis.weight) + 1, np.int64)
    places[basis.order] = np.arange(len(basis.order))
    return frozen(places[: basis.n_params])


def check_dense(n_velocities: int, n_params: int, *, most: int = MOST_BYTES, remedy: str = "") -> None:
    """Raises TessellationError if a dense basis of that size would be larger than some bytes."""
    size = 8 * n_velocities * n_params
    if size > most:
        raise TessellationError(
            f"a dense basis may take {most / 2**20:g} MiB",
            f"{n_params} parameters of fields with {n_velocities} numbers at vertices, {size / 2**20:.0f} MiB",
            remedy or 'Use basis="nodal", which is sparse, or fewer cells.',
        )


def frozen(array: NDArray[_T]) -> NDArray[_T]:
    """A contiguous copy that cannot be written to, which backends may keep."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
