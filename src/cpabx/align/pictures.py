"""Pictures of barycentres and of warps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx.errors import OptionError, shown
from cpabx.options import whole_number
from cpabx.plot.canvas import axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: One for each class, told apart also by those who see few colours.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


def barycenters(means: Any, classes: Any, aligned: Any, labels: Any, channel: Any, ax: Any) -> Axes:
    """The means of classes (K, L[, C]), and faintly aligned series (N, L[, C]) with labels."""
    ax = axes(ax)
    channels = 1 if means.ndim == 2 else means.shape[2]
    number = whole_number(channel)
    if number is None or not 0 <= number < channels:
        raise OptionError(f"channel must be from 0 to {channels - 1}", shown(channel), "Choose one.")
    if aligned is not None:
        for series, label in zip(_one(aligned, number), labels, strict=True):
            ax.plot(series, color=_colour(classes, label), alpha=0.2, linewidth=0.7)
    for mean, label in zip(_one(means, number), classes, strict=True):
        ax.plot(mean, color=_colour(classes, label), linewidth=2, label=str(label))
    ax.set_xlabel("sample")
    ax.legend(title="class", frameon=False)
    drawn: Axes = ax
    return drawn


def warps(places: Any, classes: Any, labels: Any, ax: Any) -> Axes:
    """The graphs of warps, (N, L) places in [0, 1], with labels."""
    ax = axes(ax)
    time = (np.arange(places.shape[1]) + 0.5) / places.shape[1]
    ax.plot((0, 1), (0, 1), color="#a6a6a6", linewidth=1)
    for graph, label in zip(places, labels, strict=True):
        ax.plot(time, graph, color=_colour(classes, label), alpha=0.5, linewidth=0.8)
    ax.set(xlabel="time when aligned", ylabel="time in the original", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    drawn: Axes = ax
    return drawn


def _one(series: Any, channel: int) -> Any:
    return series if series.ndim == 2 else series[:, :, channel]


def _colour(classes: Any, label: Any) -> str:
    return _COLOURS[int(np.searchsorted(classes, label)) % len(_COLOURS)]
