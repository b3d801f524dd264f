"""Series that are padded to one length: how long each is, and what lies beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cpabx.errors import OptionError, ShapeError
from cpabx.sampling.fill import Array
from cpabx.sampling.layout import KINDS
from cpabx.tracing import kept

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor
    from cpabx.sampling.grid import PixelGrid


class Lengths(NamedTuple):
    """Lengths that were checked, (N,), as floats."""

    values: Tensor


def only_series(ndim: int) -> None:
    """Raises OptionError unless it is 1D."""
    if ndim != 1:
        raise OptionError(
            "lengths are for series, in 1D",
            f"a transformation of {KINDS[ndim]}, in {ndim}D",
            f"Crop the {KINDS[ndim]}, and warp those of one size together.",
        )


def lengths_up_to_nan(backend: Backend, series: Tensor) -> Tensor:
    """(N,) numbers of samples up to the last one that is not NaN in every channel, as floats."""
    size = backend.shape(series)[1 if backend.channels_last else 2]
    if size is None:
        raise ShapeError("length of series must be known", "an unknown one", "Fix it in the model's input.")
    marks = backend.constant(_numbers(2), like=series)
    zero, one = marks[0, 0], marks[0, 1]
    present = backend.sum(backend.where(series == series, one, zero), axis=-1 if backend.channels_last else 1)  # noqa: PLR0124
    number = backend.constant(_numbers(size), like=series) + 1
    return backend.max(backend.where(present > 0, number, zero), axis=1)


def without_padding(backend: Backend, series: Tensor, lengths: Tensor) -> Tensor:
    """Series with zeros, which have no gradient, from their lengths on; NaN where a length is NaN."""
    size = backend.shape(series)[1 if backend.channels_last else 2]
    assert size is not None
    count, number = backend.reshape(lengths, (-1, 1)), backend.constant(_numbers(size), like=lengths)
    zero = backend.constant(_numbers(1), like=series)[0, 0]
    inside, known = number < count, (count == count)[:, :, None]  # noqa: PLR0124
    inside = inside[:, :, None] if backend.channels_last else inside[:, None, :]
    return backend.where(inside, series, backend.where(known, zero, zero + float("nan")))


def own_centres(backend: Backend, grid: PixelGrid, lengths: Tensor, theta: Tensor) -> Tensor:
    """(N, L, 1) where samples lie if so many of them cover the domain; for those beyond, some place in it."""
    ((low, high),) = grid.domain
    count = backend.reshape(lengths, (-1, 1))
    number = backend.constant(_numbers(grid.size[0]), like=theta) + count * 0
    number = backend.where(number < count, number, count * 0)
    if grid.align_corners:
        several = count > 1
        unit = backend.where(several, number / backend.where(several, count - 1, count), number * 0 + 0.5)
    else:
        unit = (number + 0.5) / count
    return (low + unit * (high - low))[:, :, None]


@kept(32)
def _numbers(n: int) -> Array:
    """(1, n) 0, 1, 2 ..."""
    numbers = np.arange(float(n))[None]
    numbers.flags.writeable = False
    return numbers
