"""All models, all seeds: the loop around the framework."""

from __future__ import annotations

import importlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType

import data
import numpy as np
from numpy.typing import NDArray
from protocol import BUDGET, MODELS, Model, Run

FRAMEWORKS = {"torch": "with_torch", "tensorflow": "with_tensorflow"}


@dataclass
class Result:
    """What became of one model.

    Attributes:
        accuracies: on the test set, per seed.
        epoch_seconds: of every epoch of every seed.
        views: (10, 21, 21), what the classifier of the first seed sees of the shown images.
        predictions: (10,), what it takes them for.
    """

    model: Model
    hidden: int
    parameters: int
    accuracies: list[float] = field(default_factory=list)
    epoch_seconds: list[float] = field(default_factory=list)
    views: NDArray[np.float32] | None = None
    predictions: NDArray[np.int64] | None = None

    @property
    def mean(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def standard_error(self) -> float:
        """Of the mean over seeds; NaN if there is but one."""
        n = len(self.accuracies)
        return statistics.stdev(self.accuracies) / n**0.5 if n > 1 else float("nan")

    @property
    def seconds_per_epoch(self) -> float:
        """The median: it forgets graph building and what else the machine did."""
        return statistics.median(self.epoch_seconds)


def framework(backend: str, threads: int) -> ModuleType:
    """The module that builds and trains models in a framework."""
    module = importlib.import_module(FRAMEWORKS[backend])
    module.prepare(threads)
    return module


def hidden_width(models: ModuleType, model: Model) -> int:
    """Width of the classifier's hidden layer that brings a model nearest to the budget."""
    one, two = (models.count(models.build(model, width, seed=0)) for width in (1, 2))
    return max(1, round(1 + (BUDGET - one) / (two - one)))


def one_of_each(digits: data.Digits) -> NDArray[np.int64]:
    """(10,) indices of the first 0, the first 1, ..."""
    return np.array([np.flatnonzero(digits.labels == label)[0] for label in range(10)])


def carry_out(
    run: Run,
    models: ModuleType,
    train: data.Digits,
    test: data.Digits,
    tick: Callable[[Result, int], None],
    done: Callable[[Result, int], None],
) -> list[Result]:
    """Train every model with every seed; calls tick(result, seed) after every epoch, done(result, seed) last."""
    results = []
    for model in MODELS:
        hidden = hidden_width(models, model)
        results.append(Result(model, hidden, models.count(models.build(model, hidden, seed=0))))
    shown = one_of_each(test)
    for seed in run.seeds:
        for result in results:
            network = models.build(result.model, result.hidden, seed)
            result.epoch_seconds += models.train(
                network,
                train.images,
                train.labels,
                epochs=run.epochs,
                seed=seed,
                tick=lambda r=result, s=seed: tick(r, s),
            )
            predictions = models.predict(network, test.images)
            result.accuracies.append(float((predictions == test.labels).mean()))
            if result.views is None:
                result.views = models.views(network, test.images[shown])
                result.predictions = predictions[shown]
            done(result, seed)
    return results
