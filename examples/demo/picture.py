"""The picture: digits as they were, as given, and as each classifier sees them."""

from __future__ import annotations

import io

import data
import matplotlib as mpl
import numpy as np
from experiment import Result, one_of_each
from matplotlib.axes import Axes
from matplotlib.figure import Figure

RIGHT, WRONG, INK = "#2a7f3f", "#c8372d", "#20304a"


def draw(results: list[Result], test: data.Digits) -> Figure:
    """A column per digit; a row per model, with the answer of its classifier."""
    with mpl.rc_context({"font.family": "sans-serif", "font.size": 10, "text.color": INK}):
        return _draw(results, test)


def _draw(results: list[Result], test: data.Digits) -> Figure:
    shown = one_of_each(test)
    rows = [("digit", "before distortion", test.originals[shown], None)]
    rows.append(("as given", "what all layers get", test.images[shown, :, :, 0], None))
    for r in results:
        label = r.model.name if r.model.layer else f"{r.model.name}, 2x2 means"
        rows.append((label, f"accuracy {r.mean:.3f}", r.views, r.predictions))
    figure = Figure(figsize=(11.5, 1.0 * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(len(rows), len(shown))
    for axes, (label, note, images, answers) in zip(grid, rows, strict=True):
        for column, (ax, image) in enumerate(zip(axes, images, strict=True)):
            ax.imshow(np.clip(image, 0, 1), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
            if answers is not None:
                _answer(ax, answers[column], right=answers[column] == column)
        axes[0].set_ylabel(f"{label}\n", rotation=0, ha="right", va="center", fontweight="bold", color=INK)
        axes[0].annotate(note, (-0.08, 0.36), xycoords="axes fraction", ha="right", va="center", fontsize=9)
    figure.suptitle("What the classifier sees, and its answer", fontsize=13, fontweight="bold")
    figure.supxlabel("networks of the first seed; accuracies are means over all seeds", fontsize=9, color=INK)
    return figure


def _answer(ax: Axes, answer: int, *, right: bool) -> None:
    box = {"facecolor": RIGHT if right else WRONG, "lw": 0, "pad": 1.5}
    style = {"ha": "right", "va": "top", "fontsize": 9, "fontweight": "bold", "color": "white", "bbox": box}
    ax.text(0.96, 0.95, str(answer), transform=ax.transAxes, **style)


def as_png(figure: Figure) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
