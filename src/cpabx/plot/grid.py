"""What a transformation makes of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx.backend import Tensor
from cpabx.errors import OptionError, UnsupportedError, shown
from cpabx.options import flag
from cpabx.plot.arguments import Array, drawable, one_theta, whole
from cpabx.plot.canvas import FAINT, FLOW, INK, Domain, axes, draw_lines, frame_graph, frame_plane, outline
from cpabx.transforms import Transformation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of a line: curves look smooth, and kinks at cells sharp.
_PER_LINE = 257


def deformed_grid(
    transformation: Transformation,
    theta: Tensor,
    *,
    n_lines: int = 21,
    inverse: bool = False,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """Draw what T^theta makes of straight lines; in 1D, the graph of T^theta.

    A layer samples its input at these places. What the image shows moves the other way, as the grid does with
    ``inverse=True``.

    Args:
        transformation: any family.
        theta: (d,) or (1, d).
        n_lines: along each axis.
        inverse: draw the inverse of T^theta.
        ax: where to draw.
        **style: options of ``LineCollection``, such as ``color`` and ``linewidth``.

    Returns:
        The axes.

    Raises:
        UnsupportedError: 3D, or the inverse of a family that has none.
        OptionError, ShapeError, DtypeError: arguments that do not exist or do not fit.
        MissingPackageError: matplotlib is not installed.
    """
    if not isinstance(transformation, Transformation):
        raise OptionError("transformation must be a family", shown(transformation), "For instance cpabx.Cpab((4, 4)).")
    drawable(transformation, "deformed grids")
    theta = one_theta(transformation, theta)
    n_lines = whole("n_lines", n_lines, 2)
    move = _inverse(transformation) if flag("inverse", inverse) else transformation.transform
    ax = axes(ax)
    if transformation.ndim == 1:
        return _graph(ax, move, theta, transformation.domain, style)
    empty = not ax.has_data()
    straight = grid_lines(transformation.domain, n_lines)
    lines = move(straight.reshape(-1, 2), theta)[0].reshape(straight.shape)
    draw_lines(ax, [outline(transformation.domain)], color=FAINT, linewidth=0.8, linestyle="--", zorder=1)
    draw_lines(ax, lines, **({"color": INK, "linewidth": 0.7, "zorder": 2} | style))
    frame_plane(ax, transformation.domain, lines.reshape(-1, 2), empty=empty)
    return ax


def grid_lines(domain: Domain, n_lines: int) -> Array:
    """(2 n, P, 2): lines along x, then lines along y, the domain's border included."""
    (x0, x1), (y0, y1) = domain
    t, s = np.linspace(0, 1, _PER_LINE), np.linspace(0, 1, n_lines)
    fixed, along = np.meshgrid(s, t, indexing="ij")
    unit = np.concatenate([np.stack([along, fixed], -1), np.stack([fixed, along], -1)])
    return unit * (x1 - x0, y1 - y0) + (x0, y0)


def _inverse(transformation: Transformation) -> Any:
    if not transformation.has_inverse:
        raise UnsupportedError(
            "inverse=True needs a family with an inverse",
            shown(transformation),
            "All families but thin plate splines have one, and compositions without these.",
        )
    return transformation.inverse


def _graph(ax: Axes, move: Any, theta: Array, domain: Domain, style: dict[str, Any]) -> Axes:
    x = np.linspace(*domain[0], _PER_LINE)[:, None]
    draw_lines(ax, [np.repeat(np.array(domain).T, 2, axis=1)], color=FAINT, linewidth=0.8, linestyle="--", zorder=1)
    graph = np.concatenate([x, move(x, theta)[0]], axis=1)
    draw_lines(ax, [graph], **({"color": FLOW, "linewidth": 1.6, "zorder": 2} | style))
    frame_graph(ax, domain, "T(x)", shown=x)
    margin = 0.04 * (domain[0][1] - domain[0][0])
    ax.set(ylim=(min(graph.min(), *domain[0]) - margin, max(graph.max(), *domain[0]) + margin), aspect="equal")
    return ax
