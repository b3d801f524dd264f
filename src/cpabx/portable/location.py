"""Which simplex points start in. After that the walk needs no search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cpabx.portable.operations import Operations, Tensor


def locate(ops: Operations, u: Sequence[Tensor], cells: Sequence[int], start: np.ndarray[Any, Any]) -> Tensor:
    """The simplices of points, whole numbers as floats; any for what is not finite.

    Args:
        ops: of the framework.
        u: coordinates (1 or N, P) in units of cells.
        cells: of the tessellation.
        start: of its :class:`cpabx.portable.complex.Complex`.
    """
    index: Any = None
    offsets: list[Tensor] = []
    parity = u[0] * 0
    for x, n in zip(reversed(u), reversed(cells), strict=True):
        inside = ops.where(x > 0, ops.minimum(x, float(n)), 0.0)
        box = ops.minimum(ops.floor(inside), float(n - 1))
        offsets.insert(0, inside - box)
        parity = parity + box
        extended = ops.where(x < 0, 0.0, ops.where(x > n, float(n + 1), box + 1))
        index = extended if index is None else index * (n + 2) + extended
    per_box = (1, 4, 5)[len(u) - 1]
    index = index * per_box + _PARTS[len(u) - 1](ops, offsets, parity)
    (cell,) = ops.rows(ops.constant(start.reshape(1, -1, 1), like=u[0]), index)
    return cell


def _interval(ops: Operations, offset: Sequence[Tensor], parity: Tensor) -> Tensor:
    return offset[0] * 0


def _triangle(ops: Operations, offset: Sequence[Tensor], parity: Tensor) -> Tensor:
    """At the side of low y, high x, high y or low x."""
    a, b = offset
    under_other = b <= 1 - a
    return ops.where(b <= a, ops.where(under_other, a * 0, 1.0), ops.where(under_other, a * 0 + 3, 2.0))


def _tetrahedron(ops: Operations, offset: Sequence[Tensor], parity: Tensor) -> Tensor:
    """0 in the middle, then those that cut off the corners (0, 0, 1), (1, 1, 1), (0, 1, 0) and (1, 0, 0): of even
    boxes, as which odd ones look when they are turned by a quarter about z.
    """
    odd = parity - 2 * ops.floor(parity * 0.5) > 0.5
    a = ops.where(odd, offset[1], offset[0])
    b = ops.where(odd, 1 - offset[0], offset[1])
    c = offset[2]
    part = ops.where(a > b + c, a * 0 + 4, 0.0)
    part = ops.where(b > a + c, part * 0 + 3, part)
    part = ops.where(a + b + c > 2, part * 0 + 2, part)
    return ops.where(c > a + b, part * 0 + 1, part)


_PARTS = (_interval, _triangle, _tetrahedron)
