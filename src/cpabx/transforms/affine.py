"""Affine maps, direct (eq. 1) and as the flow of an affine velocity field (eq. 4)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.pixel_grid import PixelGrid
from cpabx.tracing import kept
from cpabx.transforms.base import MOST_KEPT, Array, Transformation, frozen


def _times(backend: Backend, matrix: Tensor, points: Tensor) -> Tensor:
    """(N, 2, 3) matrices times homogeneous points (1 or N, P, 2)."""
    linear = backend.matmul(points, backend.matrix_transpose(matrix[:, :, :2]))
    return linear + backend.reshape(matrix[:, :, 2], (-1, 1, 2))


def _homogeneous(points: Array) -> Array:
    return np.concatenate([points, np.ones_like(points[..., :1])], axis=-1)


def affine_at(backend: Backend, rows: Tensor, grid: PixelGrid) -> Tensor:
    """(N, 2, 3) matrices, flat (N, 6), times the homogeneous points of a grid: (N, P, 2)."""
    if 12 * grid.n_points > MOST_KEPT:
        return _times(backend, backend.reshape(rows, (-1, 2, 3)), grid.tensor(backend, like=rows))
    moved = backend.matmul(rows, backend.constant(_grid_matrix(grid), like=rows))
    return backend.reshape(moved, (-1, grid.n_points, 2))


@kept(8)
def _grid_matrix(grid: PixelGrid) -> Array:
    """(6, 2 P): what each entry of a matrix does to the coordinates (x, y) of all points."""
    matrix = np.zeros((2, 3, grid.n_points, 2))
    for row in (0, 1):
        matrix[row, :, :, row] = _homogeneous(grid.points).T
    return frozen(matrix.reshape(6, -1))


class Affine(Transformation):
    """T(x) = [[theta_1, theta_2], [theta_4, theta_5]] x + [theta_3, theta_6]: eq. 1 of the paper.

    d = 6; the identity is theta = (1, 0, 0, 0, 1, 0). Not necessarily invertible.
    """

    n_params = 6

    @property
    def config(self) -> dict[str, Any]:
        return {}

    def _identity(self) -> Array:
        return np.array([1.0, 0, 0, 0, 1, 0])

    def _apply(self, backend: Backend, points: Tensor, theta: Tensor, **options: Any) -> Tensor:
        return _times(backend, backend.reshape(theta, (-1, 2, 3)), points)

    def _apply_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        return affine_at(backend, theta, grid)

    def _pull_back(self, points: Array, theta: Array, cotangent: Array, **options: Any) -> tuple[Array, Array]:
        matrix = theta.reshape(-1, 2, 3)
        grad = np.swapaxes(cotangent, -1, -2) @ _homogeneous(points)
        return cotangent @ matrix[:, :, :2], grad.reshape(-1, 6)


class AffineDiffeo(Transformation):
    """T = expm of the affine velocity field of theta: eqs. 3-4 of the paper. Always invertible.

    d = 6; the identity is theta = 0, the inverse -theta.
    """

    n_params = 6
    _invertible = True

    @property
    def config(self) -> dict[str, Any]:
        return {}

    def _identity(self) -> Array:
        return np.zeros(6)

    def _apply(self, backend: Backend, points: Tensor, theta: Tensor, time: float = 1.0, **options: Any) -> Tensor:
        return _times(backend, self._matrices(backend, theta * time), points)

    def _apply_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        return affine_at(backend, backend.reshape(self._matrices(backend, theta), (-1, 6)), grid)

    def _matrices(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, 2, 3): the exponentials, without their last row."""
        rows = backend.reshape(theta, (-1, 2, 3))
        generator = backend.concat([rows, rows[:, :1] * 0], axis=1)
        return backend.expm(generator)[:, :2]

    def inverse(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Apply the inverse of T^theta; arguments as in :meth:`transform`."""
        return self._transform(points, theta, backend, time=-1.0)

    def _pull_back(self, points: Array, theta: Array, cotangent: Array, **options: Any) -> tuple[Array, Array]:
        from cpabx.numpy_backend import NumpyBackend

        generator = np.zeros((len(theta), 3, 3), theta.dtype)
        generator[:, :2] = theta.reshape(-1, 2, 3)
        grad = np.zeros_like(generator)
        grad[:, :2] = np.swapaxes(cotangent, -1, -2) @ _homogeneous(points)
        # The adjoint of expm's derivative at A is the derivative at A^T, a block of a larger expm
        # (Higham, Functions of Matrices, eq. 3.16).
        transposed = np.swapaxes(generator, -1, -2)
        block = np.block([[transposed, grad], [np.zeros_like(grad), transposed]])
        exponential = NumpyBackend().expm(block)
        linear = np.swapaxes(exponential[:, :3, :3], -1, -2)[:, :2, :2]
        return cotangent @ linear, exponential[:, :2, 3:].reshape(-1, 6)
