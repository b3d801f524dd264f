"""The picture: digits as given, and as each layer hands them to its classifier."""

from __future__ import annotations

import io
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(rows: dict[str, Any]) -> bytes:
    """PNG of rows of images, (N, h, w) by name."""
    n_columns = len(next(iter(rows.values())))
    figure, axes = plt.subplots(len(rows), n_columns, figsize=(0.9 * n_columns + 1.6, 0.95 * len(rows)), squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(line, images, strict=True):
            ax.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_color("#b9c3d3")
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, color="#20304a")
    figure.subplots_adjust(
        left=1.6 / (0.9 * n_columns + 1.6), right=0.99, top=0.99, bottom=0.01, wspace=0.08, hspace=0.08
    )
    out = io.BytesIO()
    figure.savefig(out, format="png", dpi=100)
    plt.close(figure)
    return out.getvalue()
