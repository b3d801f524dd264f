"""Contestants take turns, so that whatever slows the machine down for a while slows all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

#: One run of a contestant: seconds per task.
Laps = Callable[[], Mapping[str, float]]


#: Seconds of all tasks of a run.
SHORT = 0.25


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def alternate(contestants: Mapping[str, Laps], rounds: int) -> dict[str, dict[str, list[float]]]:
    """Per contestant and task, the seconds of each round. One more round goes before, and does not count."""
    times: dict[str, dict[str, list[float]]] = {name: {} for name in contestants}
    for round_ in range(rounds + 1):
        for name, laps in contestants.items():
            taken = steady(laps)
            for task, value in taken.items() if round_ else ():
                times[name].setdefault(task, []).append(value)
    return times


def steady(laps: Laps) -> Mapping[str, float]:
    """A run, or the second of two if it is short: the first pays for the caches that another contestant used."""
    taken = laps()
    return laps() if sum(taken.values()) < SHORT else taken
