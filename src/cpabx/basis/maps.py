"""The linear maps from theta to vertex velocities, dense and sparse."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class DenseBasis:
    """V = matrix @ theta; ``matrix`` is (V n, d), rows by vertex, then component."""

    matrix: Array
    _transposed: Array = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_transposed", frozen(self.matrix.T))

    @property
    def n_params(self) -> int:
        return int(self.matrix.shape[1])

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        return backend.matmul(theta, backend.constant(self._transposed, like=theta))

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        return np.asarray(grad_velocity @ self.matrix.astype(grad_velocity.dtype))

    def to_dense(self) -> DenseBasis:
        return self


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

    def __post_init__(self) -> None:
        object.__setattr__(self, "_weights", frozen(self.weight.reshape(-1)))

    def velocity(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, V n) velocities of theta (N, d)."""
        if len(self.order) == self.n_params:
            return theta
        parts = [theta]
        if len(self.weight):
            terms = backend.take(theta, self.index.reshape(-1), axis=-1) * backend.constant(self._weights, like=theta)
            parts.append(backend.sum(backend.reshape(terms, (-1, *self.weight.shape)), axis=-1))
        zero = backend.sum(theta[:, :1] * 0, axis=-1)[:, None]  # also where d = 0
        return backend.take(backend.concat([*parts, zero], axis=-1), self.order, axis=-1)

    def pull_back(self, grad_velocity: NDArray[Any]) -> NDArray[Any]:
        """(N, d) gradient of theta from that of the velocities (N, V n)."""
        n_dependent = len(self.weight)
        parts = np.zeros((len(grad_velocity), self.n_params + n_dependent + 1), grad_velocity.dtype)
        parts[:, self.order] = grad_velocity
        grad, others = parts[:, : self.n_params].copy(), parts[:, self.n_params : -1]
        terms = others[:, :, None] * self.weight.astype(grad_velocity.dtype)
        np.add.at(grad.T, self.index.reshape(-1), terms.reshape(len(grad), self.index.size).T)
        return grad

    def to_dense(self) -> DenseBasis:
        dependent = np.zeros((len(self.weight) + 1, self.n_params))
        np.add.at(dependent, (np.arange(len(self.weight))[:, None], self.index), self.weight)
        return DenseBasis(np.vstack([np.eye(self.n_params), dependent])[self.order])


def frozen(array: Array) -> Array:
    """A contiguous copy that cannot be written to, which backends may keep."""
    copy = np.array(array, order="C")
    copy.flags.writeable = False
    return copy
