"""Affine maps: eq. 1."""

from __future__ import annotations

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.sampling import PixelGrid
from cpabx.transforms.base import Array
from cpabx.transforms.homogeneous import OfAnyDimension, pushed, times
from cpabx.transforms.matrices import first_rows, inverted


class OfMatrices(OfAnyDimension):
    """Families whose theta is the rows of an (n, n + 1) matrix."""

    #: The last entry of the homogeneous matrix, and what to do if its last row is another.
    _corner: int
    _other_row: str

    @property
    def n_params(self) -> int:
        return self.ndim * (self.ndim + 1)

    def _rows(self, backend: Backend, theta: Tensor) -> Tensor:
        return backend.reshape(theta, (-1, self.ndim, self.ndim + 1))

    @property
    def _forms(self) -> tuple[tuple[int, ...], ...]:  # type: ignore[override]
        n = self.ndim
        return (n, n + 1), (n + 1, n + 1)

    def _flat(self, backend: Backend, theta: Tensor) -> Tensor:
        form = backend.shape(theta)[1:]
        if form == self._forms[1]:
            theta = first_rows(backend, theta, (*(0,) * self.ndim, self._corner), self._other_row)
        elif form != self._forms[0]:
            return theta
        return backend.reshape(theta, (-1, self.n_params))

    def _flat_tangent(self, backend: Backend, theta: Tensor, tangent: Tensor) -> Tensor:
        if len(backend.shape(tangent)) < 3:
            return tangent
        return backend.reshape(tangent[:, : self.ndim], (-1, self.n_params))  # the last row is what it is

    def _pull_back_flat(self, theta: Array, grad: Array) -> Array:
        n, given = self.ndim, np.zeros_like(theta)
        if given.ndim < 3:
            return grad
        given[:, :n] = grad.reshape(-1, n, n + 1)
        return given

    def _theta_hint(self, shape: tuple[int | None, ...]) -> str:
        received = shape[-1] if len(shape) == 2 else None
        for other in (1, 2, 3):
            if other != self.ndim and received == other * (other + 1):
                return f"{received} is the dimension of {type(self).__name__}(ndim={other})."
        return super()._theta_hint(shape)


class Affine(OfMatrices):
    """T(x) = A x + b: eq. 1 of the paper. theta is the rows of [A b], each a coordinate of the result.

    d = n * (n + 1) = 6, in 2D; the identity is theta = (1, 0, 0, 0, 1, 0). In 1D, T(x) = theta_1 x + theta_2;
    in 3D, rows and columns are in the order (x, y, z). It may be singular: its ``inverse`` is then a MatrixError, or
    NaN where values are not known, as in a graph.

    Matrices [A b], (N, n, n + 1), are theta as well, and so are homogeneous ones, (N, n + 1, n + 1). The last row
    of these must be (0, ..., 0, 1); another is a MatrixError, or NaN, likewise.

    Args:
        ndim: n, the number of coordinates of a point: 1, 2 or 3.
    """

    has_inverse = True
    _corner = 1
    _other_row = "Divide by the last entry; if the others are not 0, the map is projective: cpabx.Homography."

    def identity_theta(self) -> Array:
        return np.eye(self.ndim, self.ndim + 1).ravel()

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        rows, n = self._rows(backend, theta), self.ndim
        if time > 0:
            return times(backend, rows, points, n)
        linear = inverted(backend, rows[:, :, :n], "AffineDiffeo is singular at no theta.")
        offset = backend.reshape(rows[:, :, n], (-1, 1, n))
        return backend.matmul(points - offset, backend.matrix_transpose(linear))

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
        rows, n = self._rows(backend, theta), self.ndim
        change = None if tangent_theta is None else self._rows(backend, tangent_theta)
        if time > 0:
            return pushed(backend, rows, change, points, tangent_points, n)
        # A y + b = x: A dy = dx - (dA y + db).
        right = tangent_points
        if change is not None:
            moved = times(backend, change, self.apply(backend, points, theta, time=time), n)
            right = -moved if right is None else right - moved
        linear = inverted(backend, rows[:, :, :n], "AffineDiffeo is singular at no theta.")
        return backend.matmul(right, backend.matrix_transpose(linear))

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        return grid.affine(backend, theta, self.ndim)

    def _pull_back_matrix(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        return theta.reshape(grad.shape), grad.reshape(-1, self.n_params)
