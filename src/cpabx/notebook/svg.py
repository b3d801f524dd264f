"""Lines as SVG, of a bounded size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

#: Pixels of the longer side, and the margin around what is drawn.
SIDE, MARGIN = 180, 6
#: How far what lies outside of the domain is shown, in parts of the domain's longer side.
_BEYOND = 0.3


@dataclass(frozen=True)
class Strokes:
    """Lines (P, 2) of one look; ``colour`` is that of the page's text by default."""

    lines: Sequence[Array] | Array
    width: float = 0.8
    opacity: float = 1.0
    colour: str = "currentColor"


def picture(strokes: Sequence[Strokes], low: Array, high: Array) -> str:
    """Lines in a frame that has the box from ``low`` to ``high``, (2,), in it, and what is near; y points down."""
    low, high = _frame([points for each in strokes for points in each.lines], low, high)
    scale = (SIDE - 2 * MARGIN) / (high - low).max()
    width, height = (np.ceil((high - low) * scale) + 2 * MARGIN).astype(int)
    paths = "".join(_path(each, low, scale) for each in strokes)
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" fill="none">{paths}</svg>'


def _frame(lines: Sequence[Array], low: Array, high: Array) -> tuple[Array, Array]:
    points = np.concatenate([low[None], high[None], *lines])
    points = points[np.isfinite(points).all(-1)]
    beyond = _BEYOND * (high - low).max()
    return np.maximum(points.min(0), low - beyond), np.minimum(points.max(0), high + beyond)


def _path(strokes: Strokes, low: Array, scale: float) -> str:
    steps = "".join(_steps(np.asarray(line) - low, scale) for line in strokes.lines)
    look = f'stroke="{strokes.colour}" stroke-width="{strokes.width:g}" stroke-opacity="{strokes.opacity:g}"'
    return f'<path {look} d="{steps}"/>'


def _steps(points: Array, scale: float) -> str:
    """One line, in parts where a point of it is not finite."""
    text, pen = [], "M"
    known = np.asarray(np.isfinite(points).all(-1))
    for place, finite in zip(points * scale + MARGIN, known, strict=True):
        if not finite:
            pen = "M"
            continue
        x, y = np.clip(place, -SIDE, 2 * SIDE)  # what is farther is not seen
        text.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return "".join(text)
