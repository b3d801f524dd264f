"""Points where a family takes them, and back."""

from __future__ import annotations

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.errors import ShapeError
from cpabx.sampling.size import is_shared
from cpabx.transforms.arguments import as_floats
from cpabx.transforms.family import Family
from cpabx.transforms.not_finite import with_nan


class Maps(Family):
    """T^theta of points, its inverse, and its gradient."""

    def transform(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Apply T^theta to points.

        Args:
            points: (P, n), shared by all theta, or (N, P, n); (x,), (x, y) or (x, y, z). Images have x along
                their last axis of pixels, to the right, y along the one before it, down, and z along depth.
            theta: (N, d), or (1, d), shared by all points (N, P, n). Affine maps and homographies take their matrices
                as well.
            backend: only to insist on one; tensors bring their own.

        Returns:
            (N, P, n), with the dtype and device of theta.

        Raises:
            MatrixError: a matrix is none of the family's.
            ShapeError, DtypeError, DeviceError: the arguments do not fit each other.
            BackendMismatchError: they belong to two frameworks.
        """
        return self._transform(points, theta, backend)

    def inverse(self, points: Tensor, theta: Tensor, *, backend: str | None = None) -> Tensor:
        """Apply the inverse of T^theta.

        Arguments as in :meth:`transform`.

        Returns:
            (N, P, n), as :meth:`transform` does.

        Raises:
            UnsupportedError: the family has none: :class:`ThinPlateSpline`, and compositions with one.
            MatrixError: a matrix is singular, as those of :class:`Affine` and :class:`Homography` may be.
            ShapeError, DtypeError, DeviceError, BackendMismatchError: as in :meth:`transform`.
        """
        self._check_inverse()
        return self._transform(points, theta, backend, time=-1.0)

    def _transform(self, points: Tensor, theta: Tensor, backend: str | None, *, time: float = 1.0) -> Tensor:
        chosen, points, theta = self._checked(points, theta, backend)
        moved = self.apply(chosen, points, theta, time=time)
        return moved if self.spreads_nan else with_nan(chosen, moved, points, theta)

    def vjp(self, points: Tensor, theta: Tensor, cotangent: Tensor) -> tuple[Tensor, Tensor]:
        """Vector-Jacobian product of :meth:`transform`, in any backend.

        Where the framework differentiates, this goes through it, and can be differentiated again; else it
        is computed by hand.

        Args:
            points: as in :meth:`transform`.
            theta: as in :meth:`transform`.
            cotangent: (N, P, n), the gradient of a loss with respect to the result.

        Returns:
            The gradients of points and theta, in their shapes.
        """
        backend, checked, flat = self._checked(points, theta, None)
        theta, cotangent = as_floats(backend, theta=backend.asarray(theta, like=flat), cotangent=cotangent)
        expected = (*backend.shape(flat)[:1], *backend.shape(checked)[1:])
        if backend.shape(cotangent) != expected:
            raise ShapeError(
                f"cotangent must have the result's shape {expected}",
                f"{backend.shape(cotangent)}",
                "Pass one number per coordinate of the result.",
            )
        if "autograd" in backend.supports:
            grads = backend.vjp(
                lambda p, t: self.apply(backend, p, self._beside(backend, p, t)), (checked, theta), cotangent
            )
        else:
            arrays = [backend.to_numpy(x) for x in (checked, flat, cotangent)]
            everywhere = np.broadcast_to(arrays[0], arrays[2].shape)
            grad_points, grad_flat = self.pull_back(everywhere, arrays[1], arrays[2])
            if is_shared(backend, theta, flat):
                grad_flat = grad_flat.sum(0, keepdims=True)
            grad_theta = self._pull_back_flat(backend.to_numpy(theta), grad_flat)
            if len(arrays[0]) == 1:
                grad_points = grad_points.sum(0, keepdims=True)
            grads = (backend.asarray(grad_points, like=theta), backend.asarray(grad_theta, like=theta))
        shape = backend.shape(backend.asarray(points, like=theta))
        return backend.reshape(grads[0], [-1 if size is None else size for size in shape]), grads[1]

    def _beside(self, backend: Backend, points: Tensor, theta: Tensor) -> Tensor:
        """(N, d): theta in any form, one for each item of points (N, P, n)."""
        flat = self._flat(backend, theta)
        return backend.expand(flat, like=points) if is_shared(backend, flat, points) else flat
