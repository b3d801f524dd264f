"""Maps that are products of a matrix with homogeneous points: affine maps, their groups, and homographies."""

from __future__ import annotations

import abc
from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.transforms.arguments import dimension
from cpabx.transforms.base import Array, Transformation


def times(backend: Backend, matrix: Tensor, points: Tensor, ndim: int, n_rows: int | None = None) -> Tensor:
    """(N, P, m): matrices (N, m, n + 1) times homogeneous points (1 or N, P, n); m is n unless it is given."""
    linear = backend.matmul(points, backend.matrix_transpose(matrix[:, :, :ndim]))
    return linear + backend.reshape(matrix[:, :, ndim], (-1, 1, n_rows or ndim))


def homogeneous(points: Array) -> Array:
    """(..., n + 1): points (..., n), and 1."""
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)


def pushed(
    backend: Backend, matrix: Tensor, tangent: Tensor | None, points: Tensor, along: Tensor | None, n_rows: int
) -> Tensor:
    """(N, P, m): the derivative of :func:`times` as matrices and points change; None for what stays."""
    ndim, total = backend.shape(points)[-1] or 0, None
    if along is not None:
        total = backend.matmul(along, backend.matrix_transpose(matrix[:, :, :ndim]))
    if tangent is not None:
        by_matrix = times(backend, tangent, points, ndim, n_rows)
        total = by_matrix if total is None else total + by_matrix
    return total


class HomogeneousMap(Transformation):
    """Families of maps x -> M [x; 1], where the matrices M (N, m, n + 1) are functions of theta."""

    @abc.abstractmethod
    def _pull_back_matrix(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        """The matrices M, and the gradient of theta (N, d) from that of the matrices, in numpy."""

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        # Of M [x; 1]: where a map does more to that, its cotangent is (N, P, m).
        grad = np.swapaxes(cotangent, -1, -2) @ homogeneous(points)
        matrix, grad_theta = self._pull_back_matrix(theta, grad)
        return cotangent @ matrix[:, :, : self.ndim], grad_theta


class OfAnyDimension(HomogeneousMap):
    """Homogeneous maps that exist in 1D, 2D and 3D."""

    ndim: int = 2

    def __init__(self, ndim: int = 2) -> None:
        self.ndim = dimension(ndim)

    @property
    def config(self) -> dict[str, Any]:
        return {"ndim": self.ndim}
