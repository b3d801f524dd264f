"""Means over seeds, and their standard errors."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from cpabx_experiments.training.records import Record
from cpabx_experiments.training.run import Results

#: The network without a transformer that the others are held against.
PLAIN = "CNN"


@dataclass(frozen=True)
class Mean:
    """The mean of n numbers.

    Attributes:
        value: their mean; NaN of none.
        error: its standard error, from their spread; NaN of fewer than two.
    """

    value: float
    error: float
    n: int

    def __str__(self) -> str:
        if not self.n:
            return ""
        return f"{self.value:.4f}" + ("" if math.isnan(self.error) else f" ± {self.error:.4f}")


def mean(values: Sequence[float]) -> Mean:
    n = len(values)
    error = statistics.stdev(values) / math.sqrt(n) if n > 1 else math.nan
    return Mean(statistics.mean(values) if n else math.nan, error, n)


@dataclass(frozen=True)
class Line:
    """What became of one network at one learning rate.

    Attributes:
        accuracy: on the test sets, over seeds.
        gain: over the plain network, seed by seed: on one fold, from one order of images.
        wins: seeds with a gain.
        diverged: seeds whose training did.
        epoch_seconds: median over all epochs of all seeds, which forgets what else the machine did.
        seconds: of training, mean over seeds.
        test_seconds: median time of asking the whole test set.
    """

    model: str
    rate: float
    parameters: int
    accuracy: Mean
    gain: Mean
    wins: int
    diverged: int
    epoch_seconds: float
    seconds: float
    test_seconds: float


def lines(results: Results) -> list[Line]:
    """One per network and learning rate, in the order of the jobs."""
    keys = dict.fromkeys((job.model, job.rate) for job in results)
    return [_line(model, rate, results) for model, rate in keys]


def _line(model: str, rate: float, results: Results) -> Line:
    mine = _by_seed(model, rate, results)
    plain = {} if model in (PLAIN, "FCN") else _accuracies(_by_seed(PLAIN, rate, results))
    accuracies = _accuracies(mine)
    gains = [accuracy - plain[seed] for seed, accuracy in accuracies.items() if seed in plain]
    rows = [row for record in mine.values() for row in record.rows]
    tests = [row.test_seconds for row in rows if row.test_seconds is not None]
    return Line(
        model,
        rate,
        next(iter(mine.values())).parameters,
        mean(list(accuracies.values())),
        mean(gains),
        sum(gain > 0 for gain in gains),
        sum(bool(record.diverged) for record in mine.values()),
        _median([row.seconds for row in rows]),
        mean([record.seconds for record in mine.values()]).value,
        _median(tests),
    )


def _by_seed(model: str, rate: float, results: Results) -> dict[int, Record]:
    return {job.seed: record for job, record in results.items() if (job.model, job.rate) == (model, rate)}


def _accuracies(records: dict[int, Record]) -> dict[int, float]:
    return {seed: record.accuracy for seed, record in records.items() if record.accuracy is not None}


def _median(values: Sequence[float]) -> float:
    return statistics.median(values) if values else math.nan


__all__ = ["PLAIN", "Line", "Mean", "lines", "mean"]
