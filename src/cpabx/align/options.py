"""How an alignment is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from cpabx.errors import OptionError, shown
from cpabx.options import number, whole_number

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
            _whole(estimator, "cells"),
            _whole(estimator, "recurrences"),
            _whole(estimator, "steps"),
            _positive(estimator, "learning_rate"),
            _positive(estimator, "margin", or_zero=True),
            _weight(estimator),
            seed,
            estimator.device,
            bool(estimator.progress),
        )


def _whole(estimator: Any, name: str) -> int:
    value = whole_number(given := getattr(estimator, name))
    least = 2 if name == "cells" else 1
    if value is None or value < least:
        raise OptionError(f"{name} must be a whole number, {least} or more", shown(given), "Choose another.")
    return value


def _weight(estimator: Any) -> float:
    """Without a network nothing else holds warps."""
    if estimator.weight is None:
        return DIRECT_WEIGHT if estimator.localization is None else 0.0
    return _positive(estimator, "weight", or_zero=True)


def _positive(estimator: Any, name: str, *, or_zero: bool = False) -> float:
    value = number(given := getattr(estimator, name))
    if not math.isfinite(value) or value < 0 or (value == 0 and not or_zero):
        least = "0 or more" if or_zero else "more than 0"
        raise OptionError(f"{name} must be a finite number, {least}", shown(given), "Choose another.")
    return value
