"""Affine maps as flows of affine velocity fields (eqs. 3-4): all of them, and groups of fewer parameters."""

from __future__ import annotations

import abc

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.numpy_backend import NumpyBackend
from cpabx.sampling import PixelGrid
from cpabx.tracing import kept
from cpabx.transforms.affine import OfMatrices
from cpabx.transforms.base import Array, frozen
from cpabx.transforms.homogeneous import OfAnyDimension, pushed, times


class Exponential(OfAnyDimension):
    """T = expm of a velocity field v(x) = A x + b whose [A b] is linear in theta. The inverse is -theta."""

    has_inverse = True
    _is_flow = True

    @abc.abstractmethod
    def _rows(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, n, n + 1), the matrices [A b]."""

    @abc.abstractmethod
    def _pull_back_rows(self, grad: Array) -> Array:
        """The gradient of theta (N, d) from that of the matrices (N, n, n + 1), in numpy."""

    def identity_theta(self) -> Array:
        return np.zeros(self.n_params)

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        return times(backend, self._matrices(backend, theta * time), points, self.ndim)

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
        n = self.ndim
        if tangent_theta is None:
            return pushed(backend, self._matrices(backend, theta * time), None, points, tangent_points, n)
        # The derivative of expm at A along E is a block of a larger expm (Higham, Functions of Matrices, eq. 3.16).
        generator, along = (self._generator(backend, t * time) for t in (theta, tangent_theta))
        upper = backend.concat([generator, along], axis=2)
        lower = backend.concat([generator * 0, generator], axis=2)
        both = backend.expm(backend.concat([upper, lower], axis=1))[:, :n]
        return pushed(backend, both[:, :, : n + 1], both[:, :, n + 1 :], points, tangent_points, n)

    def _log_det(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> Tensor:
        """The trace of A: exact, however large or small the determinant is."""
        rows = self._rows(backend, theta)
        trace = rows[:, 0, :1]
        for axis in range(1, self.ndim):
            trace = trace + rows[:, axis, axis : axis + 1]
        return trace * time + points[:, :, 0] * 0

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        n = self.ndim
        return grid.affine(backend, backend.reshape(self._matrices(backend, theta), (-1, n * (n + 1))), n)

    def _matrices(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, n, n + 1): the exponentials, without their last row."""
        return backend.expm(self._generator(backend, theta))[:, : self.ndim]

    def _generator(self, backend: Backend, theta: Tensor) -> Tensor:
        """(N, n + 1, n + 1): [A b] above a row of zeros."""
        rows = self._rows(backend, theta)
        return backend.concat([rows, rows[:, :1] * 0], axis=1)

    def _pull_back_matrix(self, theta: Array, grad: Array) -> tuple[Array, Array]:
        n, backend = self.ndim, NumpyBackend()
        generator, square = (np.zeros((len(theta), n + 1, n + 1), theta.dtype) for _ in range(2))
        generator[:, :n], square[:, :n] = self._rows(backend, theta), grad
        # The adjoint of expm's derivative at A is the derivative at A^T, a block of a larger expm
        # (Higham, Functions of Matrices, eq. 3.16).
        transposed = np.swapaxes(generator, -1, -2)
        block = np.block([[transposed, square], [np.zeros_like(square), transposed]])
        exponential = backend.expm(block)
        matrix = np.swapaxes(exponential[:, : n + 1, : n + 1], -1, -2)[:, :n]
        return matrix, self._pull_back_rows(exponential[:, :n, n + 1 :])


class AffineDiffeo(OfMatrices, Exponential):
    """T = expm of the affine velocity field v(x) = A x + b: eqs. 3-4 of the paper. Always invertible.

    theta is the rows of [A b], as in :class:`Affine`, and has as many numbers. The identity is theta = 0,
    the inverse -theta.

    T(x) = e^A x + c for some c. What exp reaches is every affine map whose matrix has a real logarithm: it is
    invertible, and each Jordan block of a negative eigenvalue occurs an even number of times (Culver 1966). So the
    determinant is positive, but not every such map is reached: the half turn diag(-1, -1) is, diag(-1, -2) is not,
    and in 1D all positive slopes are. Two in a row, ``Composition(AffineDiffeo(), AffineDiffeo())``, reach all maps
    of positive determinant, as a rotation after a symmetric matrix.

    Matrices [A b] of the field, (N, n, n + 1), are theta as well, and so are (N, n + 1, n + 1) with a last row
    of zeros, whose exponential is the homogeneous matrix of T.

    Args:
        ndim: n, the number of coordinates of a point: 1, 2 or 3.
    """

    _corner = 0
    _other_row = "Pass the matrix of the velocity field; cpabx.Affine takes that of the map."

    def _pull_back_rows(self, grad: Array) -> Array:
        return grad.reshape(-1, self.n_params)


class _Group(Exponential):
    """Exponentials of the fields that some kinds of generators span; theta is their coefficients, kind after kind."""

    _kinds: tuple[str, ...]

    @property
    def n_params(self) -> int:
        n = self.ndim
        return sum({"rotations": n * (n - 1) // 2, "scale": 1}.get(kind, n) for kind in self._kinds)

    def _rows(self, backend: Backend, theta: Tensor) -> Tensor:
        generators = backend.constant(_generators(self._kinds, self.ndim), like=theta)
        return backend.reshape(backend.matmul(theta, generators), (-1, self.ndim, self.ndim + 1))

    def _pull_back_rows(self, grad: Array) -> Array:
        generators = _generators(self._kinds, self.ndim).astype(grad.dtype)
        return np.asarray(grad.reshape(len(grad), generators.shape[1]) @ generators.T)


class Similarity(_Group):
    """Rotations, one scale and translations: T = expm of v(x) = (s I + R) x + b. Shapes and angles stay.

    theta is (r, s, b_x, b_y) in 2D, d = 4, with R = [[0, -r], [r, 0]]: an angle from x towards y, which is clockwise in
    an image, and the logarithm of the scale. In 3D it is (r_x, r_y, r_z, s, b_x, b_y, b_z), d = 7, with R x the cross
    product r x x: a turn by |r| about the axis r, right-handed. In 1D it is (s, b), the same maps as
    :class:`AffineDiffeo`.

    T(x) = e^s Q x + c, where Q is the rotation and c = b if r and s are 0; else the translation goes along with the
    turn, on a spiral. The identity is theta = 0, the inverse -theta. Every similarity but the reflections is reached.

    Args:
        ndim: n, the number of coordinates of a point: 1, 2 or 3.
    """

    _kinds = ("rotations", "scale", "translations")


class Rigid(_Group):
    """Rotations and translations, SE(n): T = expm of v(x) = R x + b. Distances stay.

    theta is (r, b_x, b_y) in 2D, d = 3, and (r_x, r_y, r_z, b_x, b_y, b_z) in 3D, d = 6, as in
    :class:`Similarity` without its scale; in 1D it is (b,), a translation. The identity is theta = 0, the inverse
    -theta. Every rigid map is reached.

    Args:
        ndim: n, the number of coordinates of a point: 1, 2 or 3.
    """

    _kinds = ("rotations", "translations")


class ScaleTranslate(_Group):
    """A scale along every axis, and translations: T = expm of v(x) = (s_x x + b_x, s_y y + b_y).

    theta is (s_x, s_y, b_x, b_y) in 2D, in general the logarithms of n scales, then n velocities: d = 2 n. Axis by
    axis, T(x) = e^s x + b (e^s - 1) / s, and x + b where s is 0. The identity is theta = 0, the inverse -theta. In 1D
    it is the same as :class:`AffineDiffeo`.

    Args:
        ndim: n, the number of coordinates of a point: 1, 2 or 3.
    """

    _kinds = ("scales", "translations")


@kept(16)
def _generators(kinds: tuple[str, ...], ndim: int) -> Array:
    """(d, n * (n + 1)): the matrix [A b] that each number of theta is the coefficient of."""
    return frozen(np.concatenate([_GENERATORS[kind](ndim) for kind in kinds]).reshape(-1, ndim * (ndim + 1)))


def _rotations(ndim: int) -> Array:
    """About z in 2D, about x, y and z in 3D."""
    planes = {1: [], 2: [(0, 1)], 3: [(1, 2), (2, 0), (0, 1)]}[ndim]
    generators = np.zeros((len(planes), ndim, ndim + 1))
    for generator, (u, v) in zip(generators, planes, strict=True):
        generator[v, u], generator[u, v] = 1, -1
    return generators


def _scales(ndim: int) -> Array:
    generators = np.zeros((ndim, ndim, ndim + 1))
    generators[range(ndim), range(ndim), range(ndim)] = 1
    return generators


def _translations(ndim: int) -> Array:
    generators = np.zeros((ndim, ndim, ndim + 1))
    generators[range(ndim), range(ndim), ndim] = 1
    return generators


_GENERATORS = {
    "rotations": _rotations,
    "scale": lambda ndim: _scales(ndim).sum(axis=0, keepdims=True),
    "scales": _scales,
    "translations": _translations,
}
