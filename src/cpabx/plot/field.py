"""Velocity fields, and the paths that points take along them: figure 4 of the paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx.backend import Tensor
from cpabx.plot.arguments import Array, as_flow, drawable, one_theta, whole
from cpabx.plot.canvas import END, FLOW, INK, axes, draw_lines, frame_graph, frame_plane
from cpabx.plot.cells import tessellation
from cpabx.sampling import pixel_grid
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import finite_time

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of a path: curves look smooth.
_PER_PATH = 65


def velocity_field(
    cpab: Cpab, theta: Tensor, *, n_arrows: int = 16, n_paths: int = 8, time: float = 1.0, ax: Axes | None = None
) -> Axes:
    """Draw a velocity field over its tessellation, and paths along it.

    In 2D arrows on a regular grid point where points go; the longest is as long as the grid is wide, the others are in
    proportion to their speed. In 1D the picture is the graph of v over x, straight between knots.

    Args:
        cpab: the family.
        theta: (d,) or (1, d).
        n_arrows: along each axis.
        n_paths: likewise, see :func:`paths`; 0 for none. There are none in 1D.
        time: how long the paths are followed.
        ax: where to draw.

    Returns:
        The axes.

    Raises:
        UnsupportedError: 3D.
        OptionError, ShapeError, DtypeError: arguments that do not exist or do not fit.
        MissingPackageError: matplotlib is not installed.
    """
    drawable(as_flow(cpab), "velocity fields")
    theta = one_theta(cpab, theta)
    n_arrows, n_paths, time = whole("n_arrows", n_arrows, 1), whole("n_paths", n_paths, 0), finite_time(time)
    ax = axes(ax)
    if cpab.ndim == 1:
        return _graph(ax, cpab, theta)
    tessellation(cpab, ax=ax)
    if n_paths:
        paths(cpab, theta, n_paths=n_paths, time=time, ax=ax)
    _arrows(ax, cpab, theta, n_arrows)
    return ax


def paths(
    cpab: Cpab, theta: Tensor, *, n_paths: int = 8, time: float = 1.0, ax: Axes | None = None, **style: Any
) -> Axes:
    """Draw the paths of points that follow the flow, each with a dot where it ends.

    They start on a regular grid over the domain. In 2D a path is the curve T^theta(x), 0 to ``time``; in 1D time is
    the vertical axis.

    Args:
        cpab: the family.
        theta: (d,) or (1, d).
        n_paths: along each axis.
        time: how long; negative goes back.
        ax: where to draw.
        **style: options of ``LineCollection``, such as ``color`` and ``linewidth``.

    Returns:
        The axes.

    Raises:
        UnsupportedError, OptionError, ShapeError, DtypeError, MissingPackageError: as in :func:`velocity_field`.
    """
    drawable(as_flow(cpab), "paths")
    theta = one_theta(cpab, theta)
    starts = pixel_grid((whole("n_paths", n_paths, 1),) * cpab.ndim, False, cpab.domain).points
    times = np.linspace(0, finite_time(time), _PER_PATH)
    lines = np.stack([cpab.transform(starts, theta, time=t)[0] for t in times], axis=1)
    ax = axes(ax)
    empty = not ax.has_data()
    style = {"color": FLOW, "linewidth": 1.5, "zorder": 3} | style
    if cpab.ndim == 1:
        return _over_time(ax, cpab, lines, times, style)
    draw_lines(ax, lines, **style)
    ax.plot(*lines[:, -1].T, "o", color=END, markersize=3.2, markeredgewidth=0, zorder=4)
    frame_plane(ax, cpab.domain, lines.reshape(-1, 2), empty=empty)
    return ax


def _arrows(ax: Axes, cpab: Cpab, theta: Array, n: int) -> None:
    tails = pixel_grid((n, n), False, cpab.domain).points
    velocity = cpab.velocity_at(tails, theta)[0]
    spacing = (cpab.tessellation.upper - cpab.tessellation.lower).min() / n
    fastest = np.linalg.norm(velocity, axis=1).max()
    # In units of the axes: else matplotlib takes y to point up, whatever the axes do.
    units: dict[str, Any] = {"angles": "xy", "scale_units": "xy", "scale": fastest / spacing if fastest else 1.0}
    shape: dict[str, Any] = {"width": 0.0035, "headwidth": 3.6, "headlength": 4.4, "headaxislength": 4}
    ax.quiver(*tails.T, *velocity.T, color=INK, zorder=2, **units, **shape)


def _graph(ax: Axes, cpab: Cpab, theta: Array) -> Axes:
    order = np.argsort(cpab.tessellation.vertices[:, 0])
    knots, velocity = cpab.tessellation.vertices[order, 0], cpab.velocity(theta)[0, order, 0]
    ax.axhline(0, color=INK, linewidth=0.6)
    ax.plot(knots, velocity, "o-", color=FLOW, linewidth=1.6, markersize=4)
    tessellation(cpab, ax=ax)
    frame_graph(ax, cpab.domain, "v(x)", shown=knots)
    return ax


def _over_time(ax: Axes, cpab: Cpab, lines: Array, times: Array, style: dict[str, Any]) -> Axes:
    over_time = np.stack([lines[..., 0], np.broadcast_to(times, lines.shape[:2])], axis=-1)
    draw_lines(ax, over_time, **style)
    ax.plot(*over_time[:, -1].T, "o", color=END, markersize=4, markeredgewidth=0, zorder=4)
    tessellation(cpab, ax=ax)
    frame_graph(ax, cpab.domain, "time", shown=lines)
    margin = 0.04 * abs(times[-1]) or 1.0
    ax.set_ylim(times.min() - margin, times.max() + margin)
    return ax
