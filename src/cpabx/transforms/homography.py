"""Plane projective maps."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.sampling import PixelGrid
from cpabx.transforms.base import Array, frozen
from cpabx.transforms.homogeneous import HomogeneousMap, homogeneous, pushed, times
from cpabx.transforms.matrices import inverted, pull_back_without_last, without_last

#: Closest that a denominator comes to zero: points at the horizon go far away, not to infinity.
_HORIZON = 1e-6
_HORIZON_ARRAY = frozen(np.array(_HORIZON))
#: How far above zero denominators are that rounding cannot bring near it.
_MARGIN = 1e-3


class Homography(HomogeneousMap):
    """T(x) = (H [x; 1])_12 / (H [x; 1])_3, H = [[th_1, th_2, th_3], [th_4, th_5, th_6], [th_7, th_8, 1]].

    d = 8; the identity is theta = (1, 0, 0, 0, 1, 0, 0, 0). A denominator below 1e-6 in size is held there.
    ``inverse`` applies H^-1; of a singular H it is a MatrixError, or NaN where values are not known, as in a graph.

    Matrices H of any scale, (N, 3, 3) or their rows (N, 9), are theta as well: they are divided by H_33. If that is
    0, T takes the origin to infinity: a MatrixError, or NaN, likewise.
    """

    n_params = 8
    has_inverse = True
    _forms = ((3, 3), (9,))

    def _flat(self, backend: Backend, theta: Tensor) -> Tensor:
        if backend.shape(theta)[1:] not in self._forms:
            return theta
        return without_last(backend, backend.reshape(theta, (-1, 9)))

    def _flat_tangent(self, backend: Backend, theta: Tensor, tangent: Tensor) -> Tensor:
        if backend.shape(theta)[1:] not in self._forms:
            return tangent
        at, along = (backend.reshape(t, (-1, 9)) for t in (theta, tangent))
        return (along[:, :8] - at[:, :8] / at[:, 8:] * along[:, 8:]) / at[:, 8:]

    def _pull_back_flat(self, theta: Array, grad: Array) -> Array:
        if theta.shape[1:] not in self._forms:
            return grad
        return pull_back_without_last(theta.reshape(-1, 9), grad).reshape(theta.shape)

    @property
    def config(self) -> dict[str, Any]:
        return {}

    def identity_theta(self) -> Array:
        return np.array([1.0, 0, 0, 0, 1, 0, 0, 0])

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        projected = times(backend, self._matrices(backend, theta, time), points, 2, 3)
        return projected[:, :, :2] / _held(backend, projected[:, :, 2:])

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
        matrix, change = self._matrices(backend, theta, time), None
        if tangent_theta is not None:
            flat = backend.concat([tangent_theta, tangent_theta[:, :1] * 0], axis=1)
            change = backend.reshape(flat, (-1, 3, 3))
            if time < 0:  # of H^-1: -H^-1 dH H^-1
                change = -backend.matmul(matrix, backend.matmul(change, matrix))
        at = times(backend, matrix, points, 2, 3)
        along = pushed(backend, matrix, change, points, tangent_points, 3)
        z = at[:, :, 2:]
        held = _held(backend, z)
        slope = backend.where((z < _HORIZON) & (z > -_HORIZON), along[:, :, 2:] * 0, along[:, :, 2:])
        return (along[:, :, :2] - at[:, :, :2] * (slope / held)) / held

    def _matrices(self, backend: Backend, theta: Tensor, time: float) -> Tensor:
        """(N, 3, 3) H, or its inverse."""
        matrix = backend.reshape(backend.concat([theta, theta[:, :1] * 0 + 1], axis=1), (-1, 3, 3))
        if time < 0:
            return inverted(backend, matrix, "Keep theta where maps can be undone, as near the identity.")
        return matrix

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        # Numbers twice, for x and y: frameworks are slow where they broadcast along so short an axis.
        last = backend.concat([theta[:, 6:], theta[:, :1] * 0 + 1], axis=1)
        if _is_horizon_outside(backend, theta):
            scales = 1 / grid.affine(backend, backend.concat([last, last], axis=1), 2)
        else:
            scale = 1 / _held(backend, grid.affine(backend, last, 1))
            scales = backend.concat([scale, scale], axis=-1)
        return grid.affine(backend, theta[:, :6], 2) * scales

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        projected = homogeneous(points) @ np.swapaxes(_matrix(theta), -1, -2)
        z = projected[..., 2:]
        held = np.abs(z) < _HORIZON
        z = np.where(held, np.where(z < 0, -_HORIZON, _HORIZON), z).astype(theta.dtype)
        grad_z = -(cotangent * projected[..., :2]).sum(-1, keepdims=True) / z**2
        return super().pull_back(points, theta, np.concatenate([cotangent / z, np.where(held, 0, grad_z)], axis=-1))

    def _pull_back_matrix(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        return _matrix(theta), grad.reshape(-1, 9)[:, :8]


def _matrix(theta: Array) -> Array:
    """(N, 3, 3) H, in numpy."""
    return np.concatenate([theta, np.ones_like(theta[:, :1])], axis=1).reshape(-1, 3, 3)


def _is_horizon_outside(backend: Backend, theta: Tensor) -> bool:
    """Whether all denominators in [-1, 1]^2 are known to be well above zero, so that none needs to be held there.

    Frameworks take longer to choose between two numbers than for all else that a pixel needs.
    """
    known = backend.known_values(theta)
    return known is not None and bool((np.abs(known[:, 6:]).sum(axis=1) < 1 - _MARGIN).all())


def _held(backend: Backend, z: Tensor) -> Tensor:
    """Denominators, away from zero."""
    far = backend.constant(_HORIZON_ARRAY, like=z)
    return backend.where((z < _HORIZON) & (z > -_HORIZON), backend.where(z < 0, -far, far), z)
