"""Series of different lengths in one batch: each is warped over its own length, as if it were alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import DtypeError, OptionError, ShapeError
from cpabx.pixel_grid import PixelGrid, Sampling
from cpabx.tracing import kept
from cpabx.transforms.arguments import as_floats, listed_numbers
from cpabx.transforms.fill import Array

if TYPE_CHECKING:
    from cpabx.transforms.base import Transformation

_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


class Lengths(NamedTuple):
    """Lengths that were checked, (N,), as floats."""

    values: Tensor


def lengths_of(series: Tensor, *, backend: str | None = None) -> Tensor:
    """How long series are that are padded with NaN: (N,) whole numbers.

    Args:
        series: (N, C, L) in torch, (N, L, C) in TensorFlow and numpy.
        backend: only to insist on one.

    Returns:
        The number of samples up to the last one that is not NaN in every channel; 0 for a series of NaN alone.

    Raises:
        ShapeError, DtypeError: they are no series of floats.
    """
    chosen = registry.backend_for(backend, series=series)
    (series,) = as_floats(chosen, series=series)
    if len(shape := chosen.shape(series)) != 3:
        axes = "(N, L, C)" if chosen.channels_last else "(N, C, L)"
        raise ShapeError(f"series must be {axes} in {chosen.name}", f"shape {shape}", "Add the missing axes.")
    return chosen.asarray(_counted(chosen, series), dtype="int32")


def checked_lengths(backend: Backend, lengths: Any, series: Tensor, theta: Tensor) -> Tensor:
    """(N,) lengths of series, as floats of theta's type; NaN for those that turn out wrong in a graph.

    Raises:
        OptionError: they are none, or not from 1 to the length of the series.
        ShapeError: they are not one for each series.
        DtypeError: they are not whole numbers.
    """
    if isinstance(lengths, Lengths):
        return backend.asarray(lengths.values, like=theta)
    shape = backend.shape(series)
    most = shape[1 if backend.channels_last else 2]
    if isinstance(lengths, str):
        if lengths != "nan":
            raise OptionError("lengths must be whole numbers, or 'nan'", repr(lengths), "See cpabx.lengths_of.")
        if backend.dtype(series) in _WHOLE or backend.dtype(series) == "bool":
            raise DtypeError("lengths='nan' needs series of floats", backend.dtype(series), "Pass the lengths.")
        counted = _counted(backend, series)
    elif registry.owner(lengths) in (None, "numpy"):
        counted = listed_numbers("lengths", lengths, "iu")
    else:
        registry.backend_for(backend.name, lengths=lengths)
        counted = backend.asarray(lengths)
        if (dtype := backend.dtype(counted)) not in _WHOLE:
            raise DtypeError("lengths must be whole numbers", dtype, "Convert them to integers.")
    size = counted.shape if isinstance(counted, np.ndarray) else backend.shape(counted)
    if len(size) != 1 or (size[0] != shape[0] and size[0] is not None and shape[0] is not None):
        raise ShapeError(
            f"lengths must be ({shape[0]},), one for each series", f"shape {tuple(size)}", "Count the batch."
        )
    values = counted if isinstance(counted, np.ndarray) else backend.known_values(counted)
    if values is not None and most is not None and ((values < 1) | (values > most)).any():
        raise OptionError(
            f"lengths must be from 1 to {most}, the length of the series",
            f"{values[(values < 1) | (values > most)][0]}",
            "Leave empty series out, and pad longer ones.",
        )
    floats = backend.asarray(counted, like=theta)
    if values is not None or most is None:
        return floats
    nothing = floats * 0
    return backend.where((floats >= 1) & (floats <= most), floats, nothing / nothing)


def warp_series(
    family: Transformation,
    backend: Backend,
    series: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    *,
    lengths: Tensor,
    resampled: bool,
    **sampling: Unpack[Sampling],
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` of series whose first ``lengths`` (N,) samples cover the domain.

    Results are as long, and then 0; or, ``resampled``, each has all samples of the grid.
    """
    places = series_places(family, backend, theta, grid, lengths, resampled=resampled)
    sampled = backend.sample_series(series, places, lengths, **sampling)
    return sampled if resampled else without_padding(backend, sampled, lengths)


def series_places(
    family: Transformation, backend: Backend, theta: Tensor, grid: PixelGrid, lengths: Tensor, *, resampled: bool
) -> Tensor:
    """(N, P, 1): the places in [-1, 1], over its own length, that each series is sampled at."""
    if not family._spreads_nan:
        theta = theta + backend.sum(theta * 0, axis=-1)[:, None]
    if resampled:
        points = grid.tensor(backend, like=theta) + backend.reshape(lengths * 0, (-1, 1, 1))
    else:
        points = _own_centres(backend, grid, lengths, theta)
    return grid.places(backend, family._apply(backend, points, theta))


def without_padding(backend: Backend, series: Tensor, lengths: Tensor) -> Tensor:
    """Series with zeros, which have no gradient, from their lengths on; NaN where a length is NaN."""
    size = backend.shape(series)[1 if backend.channels_last else 2]
    assert size is not None
    count, number = backend.reshape(lengths, (-1, 1)), backend.constant(_numbers(size), like=lengths)
    zero = backend.constant(_numbers(1), like=series)[0, 0]
    inside, known = number < count, (count == count)[:, :, None]  # noqa: PLR0124
    inside = inside[:, :, None] if backend.channels_last else inside[:, None, :]
    return backend.where(inside, series, backend.where(known, zero, zero + float("nan")))


def _own_centres(backend: Backend, grid: PixelGrid, lengths: Tensor, theta: Tensor) -> Tensor:
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


def _counted(backend: Backend, series: Tensor) -> Tensor:
    """(N,) of :func:`lengths_of`, as floats."""
    size = backend.shape(series)[1 if backend.channels_last else 2]
    if size is None:
        raise ShapeError("length of series must be known", "an unknown one", "Fix it in the model's input.")
    marks = backend.constant(_numbers(2), like=series)
    zero, one = marks[0, 0], marks[0, 1]
    present = backend.sum(backend.where(series == series, one, zero), axis=-1 if backend.channels_last else 1)  # noqa: PLR0124
    number = backend.constant(_numbers(size), like=series) + 1
    return backend.max(backend.where(present > 0, number, zero), axis=1)


@kept(32)
def _numbers(n: int) -> Array:
    """(1, n) 0, 1, 2 ..."""
    numbers = np.arange(float(n))[None]
    numbers.flags.writeable = False
    return numbers
