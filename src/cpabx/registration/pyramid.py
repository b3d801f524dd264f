"""Coarse to fine: which tessellation sees how many pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, shown
from cpabx.options import whole_number
from cpabx.registration.layout import along
from cpabx.tracing import kept

#: Of the last level that is chosen by default: in 2D (16, 16) for images of 128 pixels, or more. In 3D a prior takes
#: no more than 10.
FINEST = {1: 32, 2: 16, 3: 10}
#: Of the smallest images along an axis.
FEWEST_PIXELS = 24
#: Pixels along each side of a cell there, at least.
PIXELS_PER_CELL = {1: 4, 2: 8, 3: 6}


@dataclass(frozen=True)
class Level:
    """One step of a fit.

    Args:
        cells: of the tessellation, (nx, ny) as in :class:`cpabx.Cpab`.
        shrink: the images have so many times fewer pixels along each axis.
    """

    cells: tuple[int, ...]
    shrink: int = 1

    def size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """Of the images at this level. An axis keeps 8 pixels, or what it has."""
        return tuple(max(min(n, 8), -(-n // self.shrink)) for n in size)


def default_levels(size: tuple[int, ...]) -> tuple[Level, ...]:
    """(2, 2), (4, 4), ... with as many cells as pixels can tell.

    All but the finest first see the smallest images: what repeats, such as stripes, is blurred until fields are fine
    enough to bring it within half a period.
    """
    ndim = len(size)
    finest = FINEST[ndim]
    while finest > 2 and finest * PIXELS_PER_CELL[ndim] > max(size):
        finest //= 2
    coarse = 1
    while coarse < finest // 2 and min(size) >= 2 * coarse * FEWEST_PIXELS:
        coarse *= 2
    steps: list[tuple[int, int]] = []
    n = finest // 2
    while n >= 2:
        steps.insert(0, (n, coarse))
        n //= 2
    while coarse > 2 and finest > 2:
        coarse //= 2
        steps.append((finest // 2, coarse))
    return tuple(Level((n,) * ndim, shrink) for n, shrink in [*steps, (finest, 1)])


def checked_levels(levels: Any, size: tuple[int, ...]) -> tuple[Level, ...]:
    """Levels of what a user passes: cells of each, (nx, ny), or a pair of these and ``shrink``.

    Raises:
        OptionError: it is nothing of the kind.
    """
    if levels is None:
        return default_levels(size)
    if not isinstance(levels, Sequence) or isinstance(levels, str) or not levels:
        raise _bad(levels, len(size))
    rows: list[tuple[Any, int | None]] = []
    for level in levels:
        if isinstance(level, Level):
            rows.append((level.cells, level.shrink))
        elif isinstance(level, Sequence) and len(level) == 2 and isinstance(level[0], Sequence):  # ((nx, ny), shrink)
            shrink = whole_number(level[1])
            if shrink is None or shrink < 1:
                raise _bad(levels, len(size))
            rows.append((level[0], shrink))
        else:
            rows.append(((level,) if whole_number(level) is not None else level, None))
    cells = []
    for row, _ in rows:
        numbers = [whole_number(n) for n in row] if isinstance(row, Sequence) and not isinstance(row, str) else []
        if len(numbers) != len(size) or any(n is None or n < 1 for n in numbers):
            raise _bad(levels, len(size))
        cells.append(tuple(int(n or 0) for n in numbers))
    most = max(max(row) for row in cells)
    return tuple(
        Level(own, max(1, min(4, most // max(own))) if shrink is None else shrink)
        for own, (_, shrink) in zip(cells, rows, strict=True)
    )


def _bad(levels: Any, ndim: int) -> OptionError:
    cells = ", ".join(["n"] * ndim) + ("," if ndim == 1 else "")
    return OptionError(
        f"levels must be cells ({cells}) from coarse to fine, or pairs of these and by what to shrink images",
        shown(levels),
        f"For instance {[(4,) * ndim, (8,) * ndim]}.",
    )


def shrunk(backend: Backend, images: Tensor, size: tuple[int, ...]) -> Tensor:
    """Images with fewer pixels: means with triangular weights, which reach as far as to the next."""
    axes = len(backend.shape(images)) - 2
    for axis in range(axes):
        n = backend.shape(images)[axis + (1 if backend.channels_last else 2)]
        if n != size[axis]:
            images = along(backend, images, axis, _means(int(n or 0), size[axis]))
    return images


@kept(32)
def _means(n: int, m: int) -> NDArray[np.float64]:
    """(m, n) weights."""
    ratio = n / m
    distance = np.abs((np.arange(m)[:, None] + 0.5) * ratio - (np.arange(n) + 0.5))
    weights = np.maximum(0, 1 - distance / ratio)
    weights /= weights.sum(axis=1, keepdims=True)
    weights.flags.writeable = False
    return weights
