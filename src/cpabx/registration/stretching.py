"""What keeps areas from growing and shrinking beyond limits, by differences on the pixel grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.registration.layout import total

#: Smaller areas count as this one, and more the farther below they are.
SMALLEST = 0.02
#: Nearer than this to where the penalty begins, as a share of its free part, rounding decides.
ROUNDING = 1e-3


def area_penalty(backend: Backend, grid: Tensor, limits: tuple[float, float], free: float) -> Tensor:
    """(N,): the mean of how far areas are beyond the middle of their limits.

    An area is the determinant of differences between pixels. Of its logarithm, which is -1 and 1 at the limits, a part
    ``free`` around the middle costs nothing, and the rest its square.

    Args:
        backend: of the grid.
        grid: (N, *size, n), where pixels go, in units of pixels.
        limits: what areas may be multiplied by, at least and at most.
        free: from 0 to 1.
    """
    shape = [int(n or 0) for n in backend.shape(grid)]
    ndim = shape[-1]
    here = grid[(slice(None), *[slice(None, -1)] * ndim)]
    edges = []
    for coordinate in range(ndim):  # x is along the last axis of pixels
        moved = [slice(None, -1)] * ndim
        moved[ndim - 1 - coordinate] = slice(1, None)
        edges.append(grid[(slice(None), *moved)] - here)
    area = _determinant([[edge[..., i] for edge in edges] for i in range(ndim)])
    small = area < SMALLEST
    log = backend.log(backend.where(small, area * 0 + SMALLEST, area))
    log = log - backend.where(small, (SMALLEST - area) * (1 / SMALLEST), area * 0)
    low, high = (math.log(limit) for limit in limits)
    place = (log - (low + high) / 2) * (2 / (high - low))
    beyond = backend.where(place > 0, place, -place) - free
    beyond = backend.where(beyond > 0, beyond, beyond * 0)
    return total(backend, beyond * beyond) * (1 / math.prod(max(n - 1, 1) for n in shape[1:-1]))


def stretched(backend: Backend, grid: Tensor, limits: tuple[float, float], free: float) -> NDArray[np.int64]:
    """Numbers of the items whose :func:`area_penalty` may be more than 0: few, in most trials of a fit.

    A glance at values costs a few operations, and the penalty with its gradient some dozens. All items, where a backend
    does not know values, as while it compiles.
    """
    known = backend.known_values(grid)
    if known is None:
        return np.arange(int(backend.shape(grid)[0] or 0))
    ndim = known.shape[-1]
    edges = []
    with np.errstate(invalid="ignore", over="ignore"):  # such areas are no areas within limits
        for axis in range(ndim, 0, -1):
            rest = [slice(None) if other in (0, axis) else slice(None, -1) for other in range(ndim + 1)]
            edges.append(np.diff(known[tuple(rest)], axis=axis))
        area = _determinant([[edge[..., i] for edge in edges] for i in range(ndim)])
    low, high = (math.log(limit) for limit in limits)
    middle, half = (low + high) / 2, (high - low) / 2 * free * (1 - ROUNDING)
    least, most = math.exp(middle - half), math.exp(middle + half)
    held = (area > least) & (area < most) & (least > SMALLEST)
    return np.flatnonzero(~held.reshape(len(held), -1).all(axis=1))


def _determinant(m: list[list[Any]]) -> Any:
    if len(m) == 1:
        return m[0][0]
    if len(m) == 2:
        return m[0][0] * m[1][1] - m[0][1] * m[1][0]
    return (
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1])
        - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
        + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    )
