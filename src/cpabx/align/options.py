"""How an alignment is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cpabx.options import at_least, positive

#: What may be minimised; "none" leaves series as they are.
OBJECTIVES = ("icae+triplet", "triplet", "icae", "variance", "none")
#: The prior's, where there is no network.
DIRECT_WEIGHT = 1e-3


@dataclass(frozen=True)
class Recipe:
    """Options of a fit that are checked.

    Attributes:
        objective: one of :data:`OBJECTIVES`.
        cells: of the tessellation.
        recurrences: how many times the network looks.
        steps: of the optimiser.
        learning_rate: the largest.
        margin: of triplets, in variances of the series.
        weight: of the prior.
        seed: of the network's weights.
        device: torch's.
        progress: whether to show a bar.
    """

    objective: str
    cells: int
    recurrences: int
    steps: int
    learning_rate: float
    margin: float
    weight: float
    seed: int
    device: Any
    progress: bool

    @classmethod
    def of(cls, estimator: Any, objective: str, seed: int) -> Recipe:
        """The options of an estimator.

        Raises:
            OptionError: an impossible one.
        """
        return cls(
            objective,
            at_least(2, "cells", estimator.cells),
            at_least(1, "recurrences", estimator.recurrences),
            at_least(1, "steps", estimator.steps),
            positive("learning_rate", estimator.learning_rate),
            positive("margin", estimator.margin, or_zero=True),
            _weight(estimator),
            seed,
            estimator.device,
            bool(estimator.progress),
        )


def _weight(estimator: Any) -> float:
    """Without a network nothing else holds warps."""
    if estimator.weight is None:
        return DIRECT_WEIGHT if estimator.localization is None else 0.0
    return positive("weight", estimator.weight, or_zero=True)
