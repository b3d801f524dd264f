"""How much landmarks are trusted: the weight and the length scale that the data themselves suggest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Weights that are tried: ratios of the variance of noise to that of velocities.
WEIGHTS = 10.0 ** np.arange(-8, 3.01, 0.25)
#: Mean squares of errors that are none, as a share of those of the observations.
_ROUNDING = 1e-14


@dataclass(frozen=True)
class Spectrum:
    """Linear observations b = J v + noise of a Gaussian process, in the eigenvectors of their covariance J S J^T.

    Attributes:
        values: (k,) eigenvalues.
        squares: (k,) squares of b's coordinates.
        n_others: further coordinates of b, whose eigenvalues are 0.
        others: the sum of their squares.
    """

    values: Array
    squares: Array
    n_others: int
    others: float

    @property
    def size(self) -> int:
        return len(self.values) + self.n_others

    def cross_validation(self, weights: Array) -> Array:
        """The generalised cross-validation of Golub, Heath and Wahba (1979), of each weight: mean squares of errors."""
        left = weights / (self.values[:, None] + weights)  # I - A, if A b is the fit
        residual = (left**2 * self.squares[:, None]).sum(axis=0) + self.others
        freedom = left.sum(axis=0) + self.n_others
        return np.asarray(self.size * residual / freedom**2)

    def unlikelihood(self, weights: Array, n_free: int, sigma: float | None) -> Array:
        """-2 log likelihood of each weight, but for a constant.

        Args:
            weights: (w,).
            n_free: coordinates that say nothing, as what explains them is free.
            sigma: the standard deviation of the noise, or None: then whichever is most likely.
        """
        variances = self.values[:, None] + weights
        log_det = np.log(variances).sum(axis=0) + self.n_others * np.log(weights)
        square = (self.squares[:, None] / variances).sum(axis=0) + self.others / weights
        if sigma is not None:
            unit = sigma**2 / weights  # the variance of velocities
            return np.asarray(log_det + (self.size - n_free) * np.log(unit) + square / unit)
        freedom = max(self.size - n_free, 1)
        return np.asarray(log_det + freedom * np.log(square / freedom + np.finfo(np.float64).tiny))

    def best(self, n_free: int, sigma: float | None) -> tuple[float, float]:
        """The weight, and how unlikely the data are: what length scales are compared by.

        Without sigma the weight is that of the least cross-validation, or the first of several; with it the likeliest.
        """
        unlikely = self.unlikelihood(WEIGHTS, n_free, sigma)
        if sigma is not None:
            return float(WEIGHTS[np.argmin(unlikely)]), float(unlikely.min())
        errors = self.cross_validation(WEIGHTS)
        as_good = errors <= errors.min() * (1 + 1e-6) + _ROUNDING * (self.squares.sum() + self.others) / self.size
        first = int(np.argmax(as_good))
        return float(WEIGHTS[first]), float(unlikely[first])


def spectrum(gram: Array, observed: Array, n_others: int = 0, others: float = 0.0) -> Spectrum:
    """Of observations (k, r), whose columns are independent, of covariance (k, k) each; and of others with none."""
    values, vectors = np.linalg.eigh(gram)
    squares = (vectors.T @ observed) ** 2
    return Spectrum(np.repeat(np.maximum(values, 0), squares.shape[1]), squares.reshape(-1), n_others, others)
