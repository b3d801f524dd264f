"""Equal parameter budgets: the classifier's hidden layer takes what the localization network leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from protocol import BUDGET


def hidden_units(n_params: Callable[[int], int]) -> int:
    """The width whose model comes closest to the budget; the number of parameters is linear in it."""
    one, two = n_params(1), n_params(2)
    return max(1, round(1 + (BUDGET - one) / (two - one)))


def within_budget(build: Callable[[int], Any], count: Callable[[Any], int]) -> Any:
    """The model of the right width."""
    return build(hidden_units(lambda width: count(build(width))))
