"""The affine maps of a flow: exponentials of affine fields, and what undoes the standardisation of data."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from cpabx.errors import ShapeError


def affine_maps(fields: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Matrices (K, n, n) and shifts (K, n) of the exponentials of affine fields v(x) = A x + b.

    Fields are rows of [A b], (K, n * (n + 1)). Those of minus the fields are the inverses.
    """
    square = torch.nn.functional.pad(fields.reshape(-1, n, n + 1), (0, 0, 0, 1))
    maps = torch.linalg.matrix_exp(square)
    return maps[:, :n, :n], maps[:, :n, n]


def standardisation(data: Tensor | None, n: int) -> tuple[Tensor, Tensor]:
    """The mean (n,) and the lower root (n, n) of the covariance of points (P, n); 0 and 1 without any.

    Raises:
        ShapeError: points that are too few, or lie in a line or a plane.
    """
    if data is None:
        return torch.zeros(n), torch.eye(n)
    points = data.detach().double()
    mean = points.mean(0)
    root, failed = torch.linalg.cholesky_ex((points - mean).T @ (points - mean) / max(len(points), 1))
    if len(points) <= n or failed.item() or not (root.diagonal() > 1e-9 * root.abs().max()).all():
        raise ShapeError(
            f"data must be finite, {n + 1} points at least, and fill all {n} dimensions",
            f"{len(points)} points of standard deviations {points.std(0, correction=0).tolist()}",
            "Leave out coordinates that are constant or sums of others, or pass data=None.",
        )
    return mean, root


class AffineStep(Transform):
    """x to matrix x + shift, for vectors (..., n) and a matrix of a determinant that is not zero.

    Args:
        matrix: (n, n).
        shift: (n,).
        cache_size: as in ``torch.distributions.Transform``.
    """

    bijective = True
    domain = constraints.real_vector
    codomain = constraints.real_vector

    def __init__(self, matrix: Tensor, shift: Tensor, *, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        self.matrix, self.shift = matrix, shift

    @classmethod
    def exponential(cls, field: Tensor, n: int) -> AffineStep:
        """Of the affine field whose rows [A b] are given one after another, (n * (n + 1),)."""
        matrices, shifts = affine_maps(field[None], n)
        return cls(matrices[0], shifts[0])

    def with_cache(self, cache_size: int = 1) -> AffineStep:
        """The same transform, which keeps its last argument and result if ``cache_size`` is 1."""
        return self if self._cache_size == cache_size else type(self)(self.matrix, self.shift, cache_size=cache_size)

    def _call(self, x: Tensor) -> Tensor:
        return x @ self.matrix.T + self.shift

    def _inverse(self, y: Tensor) -> Tensor:
        back: Tensor = torch.linalg.solve(self.matrix, (y - self.shift)[..., None])
        return back[..., 0]

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of |det matrix|, for each vector."""
        log_det: Tensor = torch.linalg.slogdet(self.matrix)[1]
        return log_det.expand(x.shape[:-1])
