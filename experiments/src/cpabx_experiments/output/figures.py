"""Pictures: what each network sees, and how its accuracy grew. No window is opened."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cpabx_experiments.data import Dataset, Pairs
from cpabx_experiments.data.dataset import Array
from cpabx_experiments.training.run import Results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Samples in a picture.
SHOWN = 8


def chosen(data: Dataset | Pairs) -> Array:
    """(n, H, W, C) the first image of each class, or the left ones of the first pairs, or the first images."""
    if isinstance(data, Pairs):
        return np.asarray(data.images[data.left[:SHOWN]])
    if data.labels.ndim > 1:
        return np.asarray(data.images[:SHOWN])
    _, first = np.unique(data.labels, return_index=True)
    return np.asarray(data.images[first[:10]])


def new_figure(width: float, height: float) -> Figure:
    """Without pyplot there is no window, and nothing to close."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def as_png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def samples(rows: Sequence[tuple[str, Array]]) -> Figure:
    """A row of images (n, h, w, C) for each name: Figs. 1, 5 and 7."""
    columns = max(len(images) for _, images in rows)
    figure = new_figure(1.0 * columns + 1.6, 1.0 * len(rows) + 0.2)
    for axes, (name, images) in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        axes[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for ax, image in zip(axes, images, strict=True):
            show(ax, image)
    return figure


def side_by_side(columns: Sequence[tuple[str, Array]]) -> Figure:
    """A column of images (n, h, w, C) for each name: for few of them."""
    rows = max(len(images) for _, images in columns)
    figure = new_figure(1.3 * len(columns), 1.3 * rows + 0.3)
    grid = figure.subplots(rows, len(columns), squeeze=False)
    for axes, (name, images) in zip(grid.T, columns, strict=True):
        axes[0].set_title(name, fontsize=9)
        for ax, image in zip(axes, images, strict=True):
            show(ax, image)
    return figure


def show(ax: Axes, image: Array) -> None:
    """One image (h, w, 1 or 3), float in [0, 1] or bytes, without ticks."""
    scaled = image / 255 if image.dtype == np.uint8 else np.clip(image, 0, 1)
    ax.imshow(scaled[..., 0] if scaled.shape[-1] == 1 else scaled, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def curves(results: Results) -> Figure:
    """Training and test accuracy by epoch, mean over seeds with its standard error: Fig. 6a and b."""
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2, sharex=True)
    for model in dict.fromkeys(job.model for job in results):
        rows = [record.rows for job, record in results.items() if job.model == model and not record.diverged]
        if rows:
            _band(left, model, np.array([[row.accuracy for row in seed] for seed in rows], float))
            _band(right, model, np.array([[row.test for row in seed] for seed in rows], float))
    for ax, title in ((left, "training"), (right, "test")):
        ax.set(title=title, xlabel="epoch", ylabel="accuracy")
        ax.grid(alpha=0.3)
    right.legend(fontsize=8)
    return figure


def _band(ax: Axes, name: str, values: Array) -> None:
    """(seeds, epochs), NaN where the test set was not asked."""
    asked = ~np.isnan(values).any(0)
    epochs, values = 1 + np.flatnonzero(asked), values[:, asked]
    mean = values.mean(0)
    (line,) = ax.plot(epochs, mean, marker="." if len(epochs) < 20 else "", label=name)
    if len(values) > 1:
        error = values.std(0, ddof=1) / np.sqrt(len(values))
        ax.fill_between(epochs, mean - error, mean + error, color=line.get_color(), alpha=0.2, lw=0)


__all__ = ["as_png", "chosen", "curves", "new_figure", "samples", "show", "side_by_side"]
