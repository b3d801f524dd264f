"""Fields whose matrices A_c vary little from cell to cell."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field

import numpy as np

from cpabx.basis.maps import frozen
from cpabx.basis.smoothness import smooth_covariance, triangle
from cpabx.errors import OptionError
from cpabx.priors.gaussian import Array, GaussianPrior


@dataclass(frozen=True)
class SmoothPrior(GaussianPrior):
    """A Gaussian distribution of velocity fields that vary little from cell to cell.

    Every entry of the matrices A_c (v(x) = A_c [x; 1]) is a Gaussian process over the centres of the cells,
    independent of the other entries, with mean 0 and covariance

        variance * (exp(-|x - y|^2 / (2 length_scale^2)) + nugget * [x = y]).

    The fields are the projections of such matrices onto the continuous fields of ``cpab`` that meet its
    boundary, and theta their coefficients: N(0, B^T C B) where the columns of B are orthonormal in the
    space of the matrices (Freifeld et al. 2017). Families with the same fields have the same distribution
    of fields, whatever their bases.

    Args:
        cpab: the family.
        length_scale: in units of the domain, in which points are. Towards 0 the cells become independent, and
            an orthonormal theta N(0, variance); towards infinity the fields affine, as far as the boundary lets them.
        variance: of each entry of A_c.
        nugget: the part of the variance that each cell has by itself. Smooth covariances are singular but for
            rounding; with it, both samples and densities are those of one well-conditioned distribution.

    Raises:
        OptionError: a number that is not positive and finite (the nugget may be 0), or a cpab that is none or
            has more than 4096 parameters, whose covariance would be too large.
        TessellationError: an array as the cpab's basis whose columns depend on each other.
    """

    length_scale: float = field(kw_only=True)
    variance: float = field(default=1.0, kw_only=True)
    nugget: float = field(default=1e-6, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._number("length_scale")
        self._number("variance")
        self._number("nugget", or_zero=True)

    @functools.cached_property
    def covariance(self) -> Array:
        """(d, d) covariance of theta, in float64."""
        inverse = np.linalg.inv(self._triangle)
        return frozen(np.asarray(self.variance * (inverse @ self._unit_covariance @ inverse.T), np.float64))

    # -- its factors: theta = R^-1 L z sqrt(variance), z ~ N(0, 1) ---------------------------------

    @property
    def _fields(self) -> Array:
        tess = self.cpab.tessellation
        return self.cpab.basis.to_dense().matrix.reshape(tess.n_vertices, tess.ndim, self.cpab.n_params)

    @functools.cached_property
    def _triangle(self) -> Array:
        """R of B = Q R, the columns of B being the basis fields in A-space."""
        return triangle(self.cpab.tessellation, self._fields)

    @functools.cached_property
    def _unit_covariance(self) -> Array:
        """(d, d) covariance of the coefficients of Q, for variance 1."""
        covariance = smooth_covariance(self.cpab.tessellation, self._fields, self._triangle, self.length_scale)
        return covariance + self.nugget * np.eye(len(covariance))

    @functools.cached_property
    def _lower(self) -> Array:
        covariance = self._unit_covariance
        try:
            lower = np.asarray(np.linalg.cholesky(covariance), np.float64)
        except np.linalg.LinAlgError:
            lower = np.zeros_like(covariance)
        rounding = 1e3 * np.finfo(np.float64).eps * np.linalg.norm(covariance)
        if (lower.diagonal() ** 2 < rounding).any():
            raise OptionError(
                "nugget must keep the covariance positive definite beyond rounding",
                f"nugget={self.nugget} with length_scale={self.length_scale}",
                "Raise it: 1e-6 is enough for all but the largest tessellations.",
            )
        return lower

    def _factors(self) -> tuple[Array, Array, float]:
        scale = math.sqrt(self.variance)
        root = np.linalg.solve(self._triangle, self._lower) * scale
        inverse = np.linalg.solve(self._lower, self._triangle) / scale
        log_det = np.log(self._lower.diagonal()).sum() - np.log(self._triangle.diagonal()).sum()
        return (
            np.asarray(root, np.float64),
            np.asarray(inverse, np.float64),
            float(log_det) + self.n_params * math.log(scale),
        )
