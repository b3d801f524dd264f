"""Series of different lengths in one batch: each is warped over its own length, as if it were alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import DtypeError, OptionError, ShapeError
from cpabx.sampling import PixelGrid, Sampling
from cpabx.sampling.lengths import Lengths, lengths_up_to_nan, own_centres, without_padding
from cpabx.transforms.arguments import as_floats, listed_numbers
from cpabx.transforms.not_finite import whole_items

if TYPE_CHECKING:
    from cpabx.transforms.family import Family

_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


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
    return chosen.asarray(lengths_up_to_nan(chosen, series), dtype="int32")


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
        counted = lengths_up_to_nan(backend, series)
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
    family: Family,
    backend: Backend,
    series: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    sampling: Sampling,
    *,
    lengths: Tensor,
    resampled: bool,
    time: float = 1.0,
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` of series whose first ``lengths`` (N,) samples cover the domain.

    Results are as long, and then 0; or, ``resampled``, each has all samples of the grid.
    """
    places = series_places(family, backend, theta, grid, lengths, resampled=resampled, time=time)
    sampled = backend.sample_series(series, places, lengths, sampling)
    return sampled if resampled else without_padding(backend, sampled, lengths)


def series_places(
    family: Family,
    backend: Backend,
    theta: Tensor,
    grid: PixelGrid,
    lengths: Tensor,
    *,
    resampled: bool,
    time: float = 1.0,
) -> Tensor:
    """(N, P, 1): the places in [-1, 1], over its own length, that each series is sampled at."""
    theta = theta if family.spreads_nan else whole_items(backend, theta)
    if resampled:
        points = grid.tensor(backend, like=theta) + backend.reshape(lengths * 0, (-1, 1, 1))
    else:
        points = own_centres(backend, grid, lengths, theta)
    return grid.places(backend, family.apply(backend, points, theta, time=time))
