"""What a fit leaves: warps of series and the means of classes, whatever predicts the warps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.align.options import Recipe
from cpabx.errors import ShapeError

Array = NDArray[Any]


@dataclass
class Model:
    """Leaves series as they are: the objective "none", and what the others have in common.

    Attributes:
        recipe: how it was made.
        means: (K, C, L) of the aligned training series of each class.
        losses: by step.
        interrupted: by Ctrl-C.
        family: of the warps, None if there are none.
    """

    recipe: Recipe
    means: Array = field(default_factory=lambda: np.zeros((0, 0, 0)))
    losses: list[float] = field(default_factory=list)
    interrupted: bool = False
    family: Any = None

    def theta(self, series: Array) -> Array:
        """(N, d) of series (N, C, L)."""
        return np.zeros((len(series), 0))

    def aligned(self, series: Array) -> Array:
        """(N, C, L)."""
        return self._warped(series, self.theta(series))

    def back(self, series: Array, theta: Array) -> Array:
        """Aligned series (N, C, L) in the time of their originals."""
        return self._warped(series, np.asarray(theta), inverse=True)

    def distances(self, series: Array) -> Array:
        """(N, K) mean squared differences of aligned series and means."""
        return distances(self.aligned(series), self.means)

    def places(self, series: Array) -> Array:
        """(N, L) where each moment of an aligned series is in the original, in [0, 1]."""
        size = series.shape[2]
        if self.family is None:
            return np.tile((np.arange(size) + 0.5) / size, (len(series), 1))
        grid = self.family.grid(self.theta(series), (size,))
        return np.asarray((grid[:, :, 0] + 1) / 2)

    def _warped(self, series: Array, theta: Array, *, inverse: bool = False) -> Array:
        if self.family is None:
            return series
        if theta.shape != (len(series), self.family.n_params):
            expected = (len(series), self.family.n_params)
            raise ShapeError(f"theta must be {expected}", f"shape {theta.shape}", "Take those of the originals.")
        swapped = np.ascontiguousarray(np.swapaxes(series, 1, 2))
        warped = self.family.warp(swapped, theta.astype(np.float64), padding_mode="border", inverse=inverse)
        return np.swapaxes(warped, 1, 2)


def distances(aligned: Array, means: Array) -> Array:
    """(N, K) mean squared differences."""
    return np.stack([((aligned - mean) ** 2).mean(axis=(1, 2)) for mean in means], axis=1)


def fitted(series: Array, index: NDArray[np.int64], recipe: Recipe, localization: Any) -> Model:
    """The model of a recipe, of series (N, C, L) in units whose classes are numbers, made by torch.

    Raises:
        BackendNotFoundError, BackendLoadError: torch or its plugin is not installed.
        OptionError: a localization that is none.
        DivergenceError: the optimisation diverged.
    """
    found: Model = registry.get_backend("torch").alignment().fitted(series, index, recipe, localization)
    return found
