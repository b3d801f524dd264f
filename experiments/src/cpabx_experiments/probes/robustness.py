"""Fig. 3: what becomes of transformations in training, and which learning rates the families bear.

After each epoch the transformations that a network predicts for test images are differentiated at points of a grid. A
Jacobian with a singular value of 0, or an infinite condition number, belongs to a map that destroys what it transforms;
one with a determinant below 0 to a map that mirrors, or folds.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.errors import DivergenceError, RangeError
from cpabx.transforms import Transformation
from cpabx_experiments.data.dataset import Array, Dataset
from cpabx_experiments.output import figures
from cpabx_experiments.output.report import as_csv
from cpabx_experiments.output.results import lines
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.training.engines import Trainer, TrainingDivergedError
from cpabx_experiments.training.run import Results, Run

#: Test images and points per side of the grid, which leaves out the border.
IMAGES, GRID = 100, 9

FILES = ("robustness.png", "robustness.csv")


def grid() -> Array:
    """(81, 2) points (x, y) strictly inside [-1, 1]^2, on no edge of 4x4 cells."""
    axis = np.linspace(-0.93, 0.93, GRID)
    return np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def jacobians(family: Transformation, theta: Array, points: Array) -> Array:
    """(N, P, 2, 2) dT/dx."""
    return np.asarray(family.jacobian(points, np.asarray(theta, np.float64)))


def measured(jacobian: Array) -> dict[str, float]:
    """Condition numbers of Jacobians (..., 2, 2), the smallest singular value, and the share of determinants <= 0.

    What has left the range of float64 counts as singular: nothing can be recovered from it.
    """
    jacobian = np.where(np.isfinite(jacobian).all((-2, -1), keepdims=True), jacobian, 0.0)
    values = np.linalg.svd(jacobian, compute_uv=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        conditions = np.where(values[..., 1] > 0, values[..., 0] / values[..., 1], np.inf)
    return {
        "median_condition": float(np.median(conditions)),
        "largest_condition": float(conditions.max()),
        "smallest_singular_value": float(values.min()),
        "share_not_invertible": float((np.linalg.det(jacobian) <= 0).mean()),
    }


def probe(trainer: Trainer, material: Material) -> dict[str, float]:
    """:func:`measured` of the transformations that a network predicts for test images.

    Raises:
        TrainingDivergedError: they are out of range.
    """
    if trainer.network.transformer is None:
        return {}
    theta = trainer.theta(material.test.images[:IMAGES])
    try:
        return measured(jacobians(trainer.network.transformer.family, theta, grid()))
    except (RangeError, DivergenceError) as error:
        raise TrainingDivergedError(str(error)) from error


def chance(run: Run, results: Results) -> float:
    """The accuracy of a guess, which is what a network whose training diverged is good for."""
    test = run.source(next(iter(results))).test
    return float(np.bincount(test.labels).max() / len(test)) if isinstance(test, Dataset) else 0.5


def finish(run: Run, results: Results) -> dict[str, bytes]:
    """The picture, and its right half as numbers."""
    guess = chance(run, results)
    rows = [
        [line.model, line.rate, _accuracy(results, line.model, line.rate, guess), line.accuracy.n, line.diverged]
        for line in lines(results)
    ]
    header = ["model", "learning_rate", "accuracy_diverged_is_chance", "trained", "diverged"]
    return {"robustness.png": _picture(results, rows), "robustness.csv": as_csv(header, rows)}


def _accuracy(results: Results, model: str, rate: float, guess: float) -> float:
    """Mean over seeds; chance for those that diverged."""
    found = [record.accuracy for job, record in results.items() if (job.model, job.rate) == (model, rate)]
    return float(np.mean([guess if accuracy is None else accuracy for accuracy in found]))


def _picture(results: Results, rows: list[list[Any]]) -> bytes:
    figure = figures.new_figure(13, 4)
    conditions, singular, right = figure.subplots(1, 3)
    for number, model in enumerate(dict.fromkeys(job.model for job in results)):
        mine = [record.rows for job, record in results.items() if job.model == model]
        for ax, name, worst in ((conditions, "largest_condition", max), (singular, "smallest_singular_value", min)):
            _by_epoch(ax, [[row.probes[name] for row in rows_] for rows_ in mine], worst, f"C{number}", model)
        points = [(rate, accuracy) for name, rate, accuracy, *_ in rows if name == model]
        right.plot(*zip(*points, strict=True), marker="o", color=f"C{number}", label=model)
    conditions.set(yscale="log", xlabel="epoch", title="largest condition number")
    singular.set(yscale="log", xlabel="epoch", title="smallest singular value")
    right.set(xscale="log", xlabel="learning rate", title="test accuracy (diverged: chance)")
    for ax in (conditions, singular, right):
        ax.grid(alpha=0.3)
    right.legend(fontsize=8)
    figure.supxlabel("thin: every training, all learning rates; thick: the worst of them", fontsize=8)
    return figures.as_png(figure)


def _by_epoch(ax: Any, trainings: list[list[float]], worst: Any, color: str, label: str) -> None:
    for values in trainings:
        ax.plot(range(1, len(values) + 1), values, color=color, alpha=0.25, lw=0.7)
    longest = max((len(values) for values in trainings), default=0)
    bounds = [worst(values[i] for values in trainings if len(values) > i) for i in range(longest)]
    ax.plot(range(1, longest + 1), bounds, color=color, lw=2, label=label)


__all__ = ["FILES", "finish", "grid", "jacobians", "measured", "probe"]
