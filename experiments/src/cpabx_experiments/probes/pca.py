"""Fig. 6c: the principal components of theta on the test set, and what they do to an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from cpabx.transforms import Transformation
from cpabx_experiments.data import Pairs
from cpabx_experiments.data.dataset import Array
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.output import figures
from cpabx_experiments.output.report import as_csv
from cpabx_experiments.probes.robustness import grid
from cpabx_experiments.training.run import Results, Run

FILES = ("pca.png", "pca.csv", "theta.csv")

#: Components in the picture, and multiples of their standard deviation.
SHOWN, STEPS = 2, (-2.0, -1.0, 0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Components:
    """Principal components of thetas (N, d).

    Attributes:
        mean: (d,).
        axes: (k, d), orthonormal, by decreasing variance; the sign makes the largest entry positive.
        deviations: (k,) standard deviations along them.
        shares: (k,) of the whole variance.
    """

    mean: Array
    axes: Array
    deviations: Array
    shares: Array


def components(theta: Array) -> Components:
    """Principal components, by singular values.

    Raises:
        ExperimentError: fewer than two thetas, or all the same: the network transforms all images alike.
    """
    theta = np.asarray(theta, np.float64)
    mean = theta.mean(0)
    _, values, axes = np.linalg.svd(theta - mean, full_matrices=False)
    if len(theta) < 2 or values[0] <= 1e-6 * max(1.0, float(np.linalg.norm(mean))):
        raise ExperimentError("principal components need thetas that differ", "all the same", "Train for longer.")
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
    variances = values**2 / (len(theta) - 1)
    return Components(mean, axes, np.sqrt(variances), variances / variances.sum())


def translation(family: Transformation, found: Components, k: int) -> tuple[float, float, float]:
    """What one standard deviation of component k does to a grid of points: mean x and y, and their share.

    The share is that of the mean displacement in the mean square of all displacements: 1 is a pure translation.
    """
    ahead: Any = family.transform(grid(), (found.mean + found.deviations[k] * found.axes[k])[None])
    middle: Any = family.transform(grid(), found.mean[None])
    moved = (ahead - middle)[0]
    x, y = moved.mean(0)
    return float(x), float(y), float((x**2 + y**2) / (moved**2).sum(1).mean())


def finish(run: Run, results: Results) -> dict[str, bytes]:
    """The picture and the figures of the first job's network."""
    job = next(iter(results))
    if results[job].diverged:
        raise ExperimentError("principal components need a trained network", results[job].diverged, "Use --fresh.")
    images, trainer = _images(run.source(job).test), run.trained(job)
    theta = trainer.theta(images)
    if trainer.network.transformer is None:
        raise ExperimentError("principal components are those of a transformer's theta", job.model, "Choose another.")
    family, found = trainer.network.transformer.family, components(theta)
    numbers = [
        [k + 1, found.deviations[k], found.shares[k], *translation(family, found, k)]
        for k in range(min(10, len(found.shares)))
    ]
    header = ["component", "standard_deviation", "share_of_variance", "mean_x", "mean_y", "share_of_translation"]
    picture = _picture(family, found, images, trainer.network.seen[:2], numbers)
    thetas = as_csv([f"theta_{i}" for i in range(theta.shape[1])], theta.tolist())
    return {"pca.png": picture, "pca.csv": as_csv(header, numbers), "theta.csv": thetas}


def _images(test: Any) -> Array:
    """The images of the test set, each once."""
    return np.asarray(test.images[np.unique([test.left, test.right])] if isinstance(test, Pairs) else test.images)


def varied(family: Transformation, found: Components, k: int, image: Array, size: tuple[int, int]) -> Array:
    """(5, h, w, C) an image (H, W, C), transformed by the mean theta and by thetas along component k."""
    theta = found.mean + np.array(STEPS)[:, None] * found.deviations[k] * found.axes[k]
    warped: Any = family.warp(np.repeat(image[None], len(STEPS), 0), theta.astype(np.float32), size, backend="numpy")
    return np.asarray(warped)


def _picture(family: Transformation, found: Components, images: Array, size: tuple[int, int], numbers: Any) -> bytes:
    scale = np.float32(255 if images.dtype == np.uint8 else 1)
    mean = (images.mean(0) / scale).astype(np.float32)
    rows = [(f"PC {k + 1}\n{numbers[k][2]:.0%}", varied(family, found, k, mean, size)) for k in range(SHOWN)]
    figure = figures.samples(rows)
    figure.suptitle("mean test image, theta at -2, -1, 0, 1, 2 standard deviations", fontsize=9)
    return figures.as_png(figure)


__all__ = ["FILES", "Components", "components", "finish", "translation", "varied"]
