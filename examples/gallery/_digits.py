"""What the classifiers of this gallery share: the demo's digits, and pictures of them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

sys.path.append(str(Path(__file__).parents[1] / "demo"))
from data import Digits, load

Array = NDArray[np.float32]

__all__ = ["Digits", "load", "means", "show"]


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
