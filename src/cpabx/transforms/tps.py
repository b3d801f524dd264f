"""Thin plate splines."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, shown
from cpabx.numpy_backend import NumpyBackend
from cpabx.sampling import PixelGrid
from cpabx.tracing import kept
from cpabx.transforms.base import MOST_KEPT, Array, Transformation, frozen

#: Added to squared distances inside the logarithm, so that r^2 log r^2 and its slope are 0 at 0.
_TINY = 1e-30


class ThinPlateSpline(Transformation):
    """The smoothest map that displaces control points by theta (Bookstein 1989).

    T(x) = x + a + B x + sum_k w_k U(|x - c_k|), U(r) = r^2 log r^2, with coefficients linear in theta.
    d = 2 * nx * ny, (dx, dy) per control point, x fastest; the identity is theta = 0. Not necessarily
    invertible.

    Args:
        control_points: (nx, ny) control points on a regular grid over [-1, 1]^2, its border included.
    """

    def __init__(self, control_points: Sequence[int] = (4, 4)) -> None:
        try:
            nx, ny = (operator.index(n) for n in control_points)
            if nx < 2 or ny < 2 or nx * ny > 10_000:
                raise ValueError
        except Exception:  # of any kind: of a stranger's __iter__ or __index__
            raise OptionError(
                "control_points must be (nx, ny), from 2 each to 10000 in all",
                shown(control_points),
                "For instance (4, 4).",
            ) from None
        self.control_points = (nx, ny)

    @property
    def n_params(self) -> int:
        return 2 * self.control_points[0] * self.control_points[1]

    @property
    def config(self) -> dict[str, Any]:
        return {"control_points": self.control_points}

    def identity_theta(self) -> Array:
        return np.zeros(self.n_params)

    @property
    def centres(self) -> Array:
        """(K, 2) the control points, x fastest."""
        return _centres(*self.control_points)

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        displacements = backend.reshape(theta, (-1, *self.centres.shape))
        return points + backend.matmul(_weights(self, backend, points), displacements)

    def push_forward(
        self,
        backend: Backend,
        points: Tensor,
        theta: Tensor,
        tangent_points: Tensor | None,
        tangent_theta: Tensor | None,
        *,
        time: float = 1.0,
    ) -> Tensor:
        total = None
        if tangent_theta is not None:
            change = backend.reshape(tangent_theta, (-1, *self.centres.shape))
            total = backend.matmul(_weights(self, backend, points), change)
        if tangent_points is not None:
            displacements = backend.reshape(theta, (-1, *self.centres.shape))
            slopes = _weights(self, backend, points, tangent_points)
            moved = tangent_points + backend.matmul(slopes, displacements)
            total = moved if total is None else total + moved
        return total

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        if self.n_params // 2 * grid.n_points > MOST_KEPT:
            return super().apply_to_grid(backend, grid, theta)
        if 2 * self.n_params * grid.n_points <= MOST_KEPT // 4:  # one product, which is faster
            displacement = backend.matmul(theta, backend.constant(_grid_matrix(self, grid), like=theta))
            return backend.reshape(displacement, (-1, grid.n_points, 2)) + grid.tensor(backend, like=theta)
        by_axis = backend.matrix_transpose(backend.reshape(theta, (-1, *self.centres.shape)))
        displacement = backend.matmul(by_axis, backend.constant(_grid_weights(self, grid), like=theta))
        return grid.tensor(backend, like=theta) + backend.matrix_transpose(displacement)

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        solver = _solver(*self.control_points).astype(theta.dtype)
        offset = points[:, :, None, :] - self.centres.astype(theta.dtype)  # N, P, K, 2
        squared = (offset**2).sum(-1)
        log = np.log(squared + theta.dtype.type(_TINY))
        features = np.concatenate([squared * log, np.ones_like(points[..., :1]), points], axis=-1)
        displacements = theta.reshape(len(theta), *self.centres.shape)
        grad_theta = np.swapaxes(features @ solver, -1, -2) @ cotangent
        coefficients = solver @ displacements  # N, K + 3, 2
        along = cotangent @ np.swapaxes(coefficients, -1, -2)  # N, P, K + 3
        k = len(self.centres)
        slope = 2 * offset * (log + squared / (squared + theta.dtype.type(_TINY)))[..., None]
        grad_points = cotangent + (along[..., :k, None] * slope).sum(-2) + along[..., k + 1 :]
        return grad_points, grad_theta.reshape(len(theta), self.n_params)


def _weights(spline: ThinPlateSpline, backend: Backend, points: Tensor, along: Tensor | None = None) -> Tensor:
    """(1 or N, P, K): how much each control point's displacement moves each point; or how that changes along a way."""
    x, y = points[:, :, :1], points[:, :, 1:]
    centres = backend.constant(spline.centres, like=points)
    dx, dy = x - centres[:, 0], y - centres[:, 1]
    squared = dx * dx + dy * dy
    log = backend.log(squared + _TINY)
    if along is None:
        features = backend.concat([squared * log, x * 0 + 1, x, y], axis=-1)
    else:
        u, v = along[:, :, :1], along[:, :, 1:]
        slopes = 2 * (dx * u + dy * v) * (log + squared / (squared + _TINY))
        features = backend.concat([slopes, x * 0, u, v], axis=-1)
    return backend.matmul(features, backend.constant(_solver(*spline.control_points), like=points))


@kept(8)
def _centres(nx: int, ny: int) -> Array:
    """(K, 2) control points, x fastest."""
    return frozen(np.stack(np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny)), axis=-1).reshape(-1, 2))


@kept(8)
def _solver(nx: int, ny: int) -> Array:
    """(K + 3, K): from displacements to the coefficients (w, a, B)."""
    centres = _centres(nx, ny)
    k = len(centres)
    squared = ((centres[:, None] - centres) ** 2).sum(-1)
    affine = np.concatenate([np.ones((k, 1)), centres], axis=1)
    system = np.block([[squared * np.log(squared + _TINY), affine], [affine.T, np.zeros((3, 3))]])
    return frozen(np.linalg.inv(system)[:, :k])


@kept(8)
def _grid_weights(spline: ThinPlateSpline, grid: PixelGrid) -> Array:
    """(K, P): how much each control point's displacement moves each pixel."""
    return frozen(np.ascontiguousarray(_weights(spline, NumpyBackend(), grid.points[None])[0].T))


@kept(8)
def _grid_matrix(spline: ThinPlateSpline, grid: PixelGrid) -> Array:
    """(2 K, 2 P): what each number of theta does to the coordinates (x, y) of all pixels."""
    return frozen(np.kron(_grid_weights(spline, grid), np.eye(2)))
