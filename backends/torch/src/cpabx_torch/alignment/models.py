"""What a fit has learnt: how series are warped, and the means of classes."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabx.align.model import Model
from cpabx.align.options import Recipe
from cpabx.errors import OptionError, shown
from cpabx_torch.alignment.direct import fit_jointly, fit_to
from cpabx_torch.alignment.training import family_of, train_network

Array = NDArray[Any]


@dataclass
class NetworkModel(Model):
    """A network predicts theta."""

    layer: Any = None

    def theta(self, series: Array) -> Array:
        self.layer.eval()
        with torch.no_grad():
            parts = [self.layer.theta(_tensor(part, self.recipe)) for part in np.array_split(series, _parts(series))]
        return np.concatenate([part.cpu().numpy() for part in parts])


@dataclass
class DirectModel(Model):
    """Series are aligned to each mean; theta is that of the nearest."""

    def theta(self, series: Array) -> Array:
        thetas, costs = self._each(series)
        return np.asarray(thetas[costs.argmin(axis=1), np.arange(len(series))])

    def distances(self, series: Array) -> Array:
        return self._each(series)[1]

    def _each(self, series: Array) -> tuple[Array, Array]:
        """(K, N, d) and (N, K)."""
        thetas, costs = [], []
        for mean in self.means:
            given = _tensor(series, self.recipe)
            theta, cost = fit_to(given, given.new_tensor(mean).expand_as(given), self.recipe)
            thetas.append(theta.cpu().numpy())
            costs.append(cost.cpu().numpy())
        return np.stack(thetas), np.stack(costs, axis=1)


def fitted(series: Array, index: NDArray[np.int64], recipe: Recipe, localization: Any) -> Model:
    """The model of a recipe, of series (N, C, L) in units whose classes are numbers.

    Raises:
        OptionError: a localization that is none.
    """
    network = _network(localization)
    model: Model
    if recipe.objective == "none":
        model = Model(recipe)
        aligned = series
    elif localization is None:
        theta, losses, interrupted = fit_jointly(_tensor(series, recipe), index, recipe)
        model = DirectModel(recipe, losses=losses, interrupted=interrupted, family=family_of(recipe.cells))
        aligned = model._warped(series, theta.cpu().numpy())
    else:
        given = _tensor(series, recipe).float()
        layer, losses, interrupted = train_network(given, index, recipe, network)
        layer.double()  # so that what a series is aligned to does not depend on those beside it
        model = NetworkModel(recipe, losses=losses, interrupted=interrupted, family=layer.transformation, layer=layer)
        aligned = model.aligned(series)
    model.means = np.stack([aligned[index == k].mean(axis=0) for k in range(index.max() + 1)])
    return model


def _network(localization: Any) -> nn.Module | None:
    if localization is None or (isinstance(localization, str) and localization == "cnn"):
        return None
    if not isinstance(localization, nn.Module):
        raise OptionError(
            "localization must be 'cnn', a torch.nn.Module or None", shown(localization), "Choose one of these."
        )
    return copy.deepcopy(localization)


def _tensor(series: Array, recipe: Recipe) -> Tensor:
    return torch.as_tensor(np.ascontiguousarray(series, np.float64), device=recipe.device)


def _parts(series: Array, most: int = 256) -> int:
    """How many parts of at most so many series there are."""
    return max(1, -(-len(series) // most))
