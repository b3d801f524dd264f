"""Times calls against each other: they take turns, and the median forgets what else the machine did."""

from __future__ import annotations

import importlib
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import Cpab

Array = NDArray[Any]
Call = Callable[..., Any]

_MODULES = {"torch": "contest_torch", "tensorflow": "contest_tensorflow"}


@dataclass(frozen=True)
class Contestant:
    """A way to compute T^theta of points.

    Attributes:
        forward: returns (N, P, 2).
        both: forward, and back to theta (N, d) from ones.
    """

    name: str
    forward: Callable[[], Array]
    both: Callable[[], Array]


def contestants(backend: str, family: Cpab, points: Array, theta: Array, steps: int) -> list[Contestant]:
    """Cpabx's operation and the pure one, in a framework, for float32 points (P, 2) and theta (N, d)."""
    module = importlib.import_module(f"cpabx_experiments.probes.{_MODULES[backend]}")
    found: list[Contestant] = module.contestants(family, points.astype(np.float32), theta.astype(np.float32), steps)
    return found


def medians(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds of each call, the median of so many rounds; one more before, which may build graphs, is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(found[1:]) for name, found in seconds.items()}


__all__ = ["Contestant", "contestants", "medians"]
