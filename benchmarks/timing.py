"""Contestants take turns, so that whatever slows the machine down for a while slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

Run = Callable[[], Any]


def seconds(run: Run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def alternate(runs: Mapping[str, Run], rounds: int) -> dict[str, list[float]]:
    """Seconds of each run in each round. One more round goes before, and does not count."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            taken = seconds(run)
            if round_:
                times[name].append(taken)
    return times


def median(values: list[float]) -> float:
    return statistics.median(values)
