"""What the classifiers of this gallery share: digits, and pictures of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from cpabx_experiments.data import Dataset
from cpabx_experiments.protocol.experiments import protocol
from cpabx_experiments.protocol.jobs import jobs
from cpabx_experiments.protocol.material import material

Array = NDArray[np.float32]

__all__ = ["load", "means", "show"]


def load() -> tuple[Dataset, Dataset]:
    """Training and test images (N, 42, 42, 1) in [0, 1], and their labels: those of the experiment."""
    chosen = protocol("digits")
    found = material(chosen, Path())(jobs(chosen)[0])
    return found.train, found.test


def show(rows: dict[str, Array]) -> None:
    """A row of images (10, H, W) per name."""
    grid = plt.subplots(len(rows), 10, figsize=(10, 1.12 * len(rows)), layout="constrained")[1]
    for axes, (name, images) in zip(grid, rows.items(), strict=True):
        for ax, image in zip(axes, images, strict=True):
            ax.imshow(image, cmap="gray", vmin=0, vmax=image.max(), interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")


def means(images: Array, labels: NDArray[np.int64]) -> Array:
    """(10, H, W), the mean image of each digit: sharp where all agree on where the digit is."""
    return np.stack([images[labels == label].mean(0) for label in range(10)])
