"""One layer in one target: made, compared with the native layer, and timed beside it."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import math
import statistics
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.export.cases import BATCHES, TIMED, Array, Case
from benchmarks.export.targets import Run, Target
from benchmarks.timing import alternate

#: In a round.
CALLS = 5


@dataclass(frozen=True)
class Outcome:
    """A row: the largest error, seconds of a batch of the native layer and of this one, and seconds to make it."""

    layer: str
    target: str
    error: float = float("nan")
    native: float = float("nan")
    seconds: float = float("nan")
    made: float = float("nan")
    problem: str = ""

    @property
    def times(self) -> float:
        """How much longer it takes than the native layer."""
        return self.seconds / self.native

    def as_json(self) -> dict[str, Any]:
        found = dataclasses.asdict(self)
        return {name: None if isinstance(x, float) and not math.isfinite(x) else x for name, x in found.items()}


def missing(target: Target) -> str | None:
    """The first package that it needs and that is not there."""
    for name in target.packages:
        try:
            found = importlib.util.find_spec(name) is not None
        except ImportError:  # of what it is a part of
            found = False
        if not found:
            return name
    return None


def measured(target: Target, case: Case, folder: Path, rounds: int, threads: int) -> Outcome:
    """The row; what fails is one as well."""
    try:
        native, make = target.prepare(case, threads)
        start = time.perf_counter()
        served = make(folder)
        made = time.perf_counter() - start
        last = target.framework == "tensorflow"
        errors = [
            float(np.abs(served(images) - native(images)).max(initial=0))
            for images in (case.images(n, channels_last=last) for n in BATCHES)
        ]
        batch = case.images(TIMED, channels_last=last)
        # One thread's own time: others on the machine disturb it less.
        clock = time.process_time if threads == 1 else time.perf_counter
        laps = {
            "native": functools.partial(_taken, native, batch, clock),
            "here": functools.partial(_taken, served, batch, clock),
        }
        times = {name: statistics.median(taken[""]) for name, taken in alternate(laps, rounds).items()}
        # A NaN is an error, the largest of all.
        worst = float("inf") if np.isnan(errors).any() else max(errors)
        return Outcome(case.name, target.name, worst, times["native"], times["here"], made)
    except Exception as error:  # of any kind: the other rows are still wanted
        traceback.print_exc()
        said = " ".join(str(error).split())
        return Outcome(case.name, target.name, problem=f"{type(error).__name__}: {said[:120]}")


def _taken(run: Run, images: Array, clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of one of a few calls."""
    start = clock()
    for _ in range(CALLS):
        run(images)
    return {"": (clock() - start) / CALLS}
