"""What a fit minimises, for theta of all series."""

from __future__ import annotations

from typing import Any

from cpabx.align.options import Recipe
from cpabx.losses import within_class_variance
from cpabx.losses.batch import checked_batch
from cpabx.losses.inverse_consistency import class_distances
from cpabx.sampling import Sampling
from cpabx.transforms import Transformation


def objective(series: Any, theta: Any, family: Transformation, index: Any, recipe: Recipe) -> Any:
    """The loss of a recipe, of series (N, C, L) whose classes are numbers; both terms of ICAE from one warp back."""
    if recipe.objective == "variance":
        return within_class_variance(family.warp(series, theta, padding_mode="border"), index)
    batch = checked_batch(series, index, None, None)
    distances = class_distances(batch, theta, family, Sampling(padding_mode="border"))
    if recipe.objective == "triplet":
        return batch.hinge(distances, recipe.margin)
    rows = distances.reshape(len(index), -1)
    own = rows.gather(1, rows.new_tensor(index).long()[:, None]).mean()
    return own if recipe.objective == "icae" else own + batch.hinge(distances, recipe.margin)
