"""Axes, their limits, and the colours: those of Okabe and Ito, which colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import MissingPackageError, OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
Domain = tuple[tuple[float, float], ...]

INK, FAINT, FLOW, END = "#000000", "#a6a6a6", "#0072b2", "#d55e00"

#: Around what is drawn, as a part of its extent.
_MARGIN = 0.04


def pyplot() -> ModuleType:
    """``matplotlib.pyplot``.

    Raises:
        MissingPackageError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise MissingPackageError(
            "cpabx.plot needs matplotlib", f"an environment without it ({error})", "pip install cpabx[plot]"
        ) from error
    return plt


def axes(ax: Any, *, solid: bool = False) -> Any:
    """The axes given, or new ones; ``solid`` are those of 3D.

    Raises:
        OptionError: the axes given are none, or have another dimension.
    """
    plt = pyplot()
    if ax is None:
        options = {"projection": "3d"} if solid else {}
        return plt.figure(figsize=(4.4, 4.4), layout="constrained").add_subplot(**options)
    from matplotlib.axes import Axes

    if not isinstance(ax, Axes) or hasattr(ax, "get_zlim") != solid:
        made = 'figure.add_subplot(projection="3d")' if solid else "figure.add_subplot()"
        raise OptionError(
            f"ax must be matplotlib axes {'with three dimensions' if solid else 'of a plane'}",
            type(ax).__name__,
            f"Make them with {made}, or leave ax out.",
        )
    return ax


def draw_lines(ax: Axes, lines: Sequence[Array] | Array, **style: Any) -> None:
    """Lines (P, 2) as one collection."""
    from matplotlib.collections import LineCollection

    ax.add_collection(LineCollection(lines, **style), autolim=False)  # type: ignore[arg-type]


def frame_plane(ax: Axes, domain: Domain, shown: Array, *, empty: bool) -> None:
    """Show the domain and points (P, 2), in their proportions, with y pointing down.

    Axes that were not empty keep in sight what they showed.
    """
    (x0, x1), (y0, y1) = domain
    low, high = np.minimum(shown.min(0), (x0, y0)), np.maximum(shown.max(0), (x1, y1))
    margin = _MARGIN * (high - low).max()
    low, high = low - margin, high + margin
    if not empty:
        limits = np.array([sorted(ax.get_xlim()), sorted(ax.get_ylim())])
        low, high = np.minimum(low, limits[:, 0]), np.maximum(high, limits[:, 1])
    ax.set(xlim=(low[0], high[0]), ylim=(high[1], low[1]), aspect="equal", xlabel="x", ylabel="y")
    ax.set(xticks=[x0, (x0 + x1) / 2, x1], yticks=[y0, (y0 + y1) / 2, y1])
    _quiet(ax)


def frame_graph(ax: Axes, domain: Domain, ylabel: str, *, shown: Array) -> None:
    """A graph over a domain in 1D, and over the places shown."""
    ((x0, x1),) = domain
    low, high = min(x0, shown.min()), max(x1, shown.max())
    margin = _MARGIN * (high - low)
    ax.set(xlim=(low - margin, high + margin), xticks=[x0, (x0 + x1) / 2, x1], xlabel="x", ylabel=ylabel)
    _quiet(ax)


def _quiet(ax: Axes) -> None:
    """Numbers and letters without a box around the picture."""
    ax.spines[:].set_visible(False)
    ax.tick_params(length=0, labelsize="small", colors="#4d4d4d")


def outline(domain: Domain) -> Array:
    """(5, 2): once around a domain in 2D."""
    (x0, x1), (y0, y1) = domain
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
