"""The tessellation."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError, shown
from cpabx.plot.canvas import FAINT, axes, draw_lines, frame_graph, frame_plane
from cpabx.tessellation import Tessellation
from cpabx.transforms import Cpab

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def tessellation(tess: Tessellation | Cpab, *, ax: Axes | None = None, **style: Any) -> Axes:
    """Draw the edges of the cells: where velocity fields may bend.

    Args:
        tess: a tessellation, or the family that has it. In 1D each knot is a vertical line, in 2D each edge of a
            triangle a line; the edges of tetrahedra are drawn in 3D axes.
        ax: where to draw; 3D needs axes with three dimensions.
        **style: options of ``LineCollection``, such as ``color`` and ``linewidth``.

    Returns:
        The axes.

    Raises:
        OptionError: no tessellation, or axes of another dimension.
        MissingPackageError: matplotlib is not installed.
    """
    tess = tess.tessellation if isinstance(tess, Cpab) else tess
    if not isinstance(tess, Tessellation):
        raise OptionError("tess must be a cpabx.Tessellation or a cpabx.Cpab", shown(tess), "Pass one of them.")
    ax = axes(ax, solid=tess.ndim == 3)
    style = {"color": FAINT, "linewidth": 0.8, "zorder": 1} | style
    (_line, _plane, _space)[tess.ndim - 1](ax, tess, style)
    return ax


def edges(tess: Tessellation) -> NDArray[np.int64]:
    """(E, 2) vertices of every edge, each once."""
    corners = itertools.combinations(range(tess.ndim + 1), 2)
    pairs = np.concatenate([tess.cell_vertices[:, list(pair)] for pair in corners])
    return np.unique(np.sort(pairs, axis=1), axis=0)


def _line(ax: Axes, tess: Tessellation, style: dict[str, Any]) -> None:
    empty = not ax.has_data()
    knots = [[(x, 0.0), (x, 1.0)] for x in tess.vertices[:, 0]]
    draw_lines(ax, knots, **style, transform=ax.get_xaxis_transform())  # type: ignore[arg-type]
    if empty:
        frame_graph(ax, tess.domain, "", shown=tess.vertices)
        ax.set_yticks([])


def _plane(ax: Axes, tess: Tessellation, style: dict[str, Any]) -> None:
    empty = not ax.has_data()
    draw_lines(ax, tess.vertices[edges(tess)], **style)
    frame_plane(ax, tess.domain, tess.vertices, empty=empty)


def _space(ax: Any, tess: Tessellation, style: dict[str, Any]) -> None:
    from mpl_toolkits.mplot3d.art3d import Line3DCollection

    ax.add_collection3d(Line3DCollection(tess.vertices[edges(tess)], **style))
    for axis, name, (low, high) in zip((ax.xaxis, ax.yaxis, ax.zaxis), "xyz", tess.domain, strict=True):
        axis.set(label_text=name, ticks=[low, (low + high) / 2, high])
        axis.set_view_interval(low, high, ignore=True)
        axis.pane.set_visible(False)
    ax.grid(visible=False)
    ax.set_box_aspect(tess.upper - tess.lower, zoom=0.88)  # leaves room for the letter z
