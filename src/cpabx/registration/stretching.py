"""What keeps areas from growing and shrinking beyond limits, by differences on the pixel grid."""

from __future__ import annotations

import itertools
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

    An area is the determinant of differences between pixels, at each corner of the quadrangles that they make. Where
    all four are within limits, no triangle of corners folds, and the determinant of central differences, a mean of
    four, is within them, too. In 3D these are two opposite corners of eight. Of the logarithm of an area, which is -1
    and 1 at the limits, a part ``free`` around the middle costs nothing, and the rest its square.

    Args:
        backend: of the grid.
        grid: (N, *size, n), where pixels go, in units of pixels.
        limits: what areas may be multiplied by, at least and at most.
        free: from 0 to 1.
    """
    shape = [int(n or 0) for n in backend.shape(grid)]
    ndim = shape[-1]
    edges = []
    for coordinate in range(ndim):
        near, far = ([slice(None)] * (ndim + 1) for _ in range(2))
        near[_axis(coordinate, ndim)], far[_axis(coordinate, ndim)] = slice(None, -1), slice(1, None)
        edges.append(grid[tuple(far)] - grid[tuple(near)])
    area = backend.concat([_area_at(edges, corner) for corner in _corners(ndim)], axis=1)
    small = area < SMALLEST
    log = backend.log(backend.where(small, area * 0 + SMALLEST, area))
    log = log - backend.where(small, (SMALLEST - area) * (1 / SMALLEST), area * 0)
    low, high = (math.log(limit) for limit in limits)
    place = (log - (low + high) / 2) * (2 / (high - low))
    beyond = backend.where(place > 0, place, -place) - free
    beyond = backend.where(beyond > 0, beyond, beyond * 0)
    count = len(_corners(ndim)) * math.prod(max(n - 1, 1) for n in shape[1:-1])
    return total(backend, beyond * beyond) * (1 / count)


def stretched(backend: Backend, grid: Tensor, limits: tuple[float, float], free: float) -> NDArray[np.int64]:
    """Numbers of the items whose :func:`area_penalty` may be more than 0: few, in most trials of a fit.

    A glance at values costs a few operations, and the penalty with its gradient some dozens. All items, where a backend
    does not know values, as while it compiles.
    """
    known = backend.known_values(grid)
    if known is None:
        return np.arange(int(backend.shape(grid)[0] or 0))
    ndim = known.shape[-1]
    with np.errstate(invalid="ignore", over="ignore"):  # such areas are no areas within limits
        edges = [np.diff(known, axis=_axis(coordinate, ndim)) for coordinate in range(ndim)]
        areas = [_area_at(edges, corner).reshape(len(known), -1) for corner in _corners(ndim)]
    low, high = (math.log(limit) for limit in limits)
    middle, half = (low + high) / 2, (high - low) / 2 * free * (1 - ROUNDING)
    least, most = math.exp(middle - half), math.exp(middle + half)
    held = np.full(len(known), least > SMALLEST)
    for area in areas:
        held &= ((area > least) & (area < most)).all(axis=1)
    return np.flatnonzero(~held)


def _corners(ndim: int) -> list[tuple[int, ...]]:
    """Of a cell between pixels, 0 for the near end of an axis and 1 for the far one, by coordinate."""
    if ndim == 2:
        return list(itertools.product((0, 1), repeat=2))
    return [(0,)] if ndim == 1 else [(0,) * ndim, (1,) * ndim]


def _axis(coordinate: int, ndim: int) -> int:
    """Of a grid (N, *size, n): x is along the last axis of pixels."""
    return ndim - coordinate


def _area_at(edges: list[Any], corner: tuple[int, ...]) -> Any:
    """(N, *size - 1) determinants of the edges that meet at a corner of each cell.

    Args:
        edges: by coordinate, the differences of (N, *size, n) along its axis.
        corner: one of :func:`_corners`.
    """
    ndim, met = len(corner), []
    for coordinate, edge in enumerate(edges):
        ends = [slice(None)] * (ndim + 1)
        for other, far in enumerate(corner):
            if other != coordinate:
                ends[_axis(other, ndim)] = slice(1, None) if far else slice(None, -1)
        met.append(edge[tuple(ends)])
    return _determinant([[edge[..., i] for edge in met] for i in range(ndim)])


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
