"""Series as arrays of one length: what is missing, and the layout of scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import ShapeError

Array = NDArray[Any]


def channels_first(values: Array) -> Array:
    """(N, C, L) float64 of (N, L) or (N, L, C), without NaN.

    NaN at the end is padding: what is before it is stretched to L samples. NaN elsewhere is interpolated linearly.

    Raises:
        ShapeError: a series with nothing but NaN, or no series.
    """
    series = np.asarray(values, np.float64)
    series = series[:, None, :] if series.ndim == 2 else np.swapaxes(series, 1, 2)
    if series.ndim != 3:
        raise ShapeError("X must be (N, L) or (N, L, C)", f"{values.ndim} axes", "Reshape X.")
    if not np.isnan(series).any():
        return series
    return np.stack([_whole(one) for one in series])


def of_one_length(values: Any) -> None:
    """Raises ShapeError for a list of series of several lengths, which makes no array."""
    if not isinstance(values, (list, tuple)):
        return
    lengths = {len(one) for one in values if isinstance(one, (list, tuple, np.ndarray)) and np.ndim(one[:1]) > 0}
    if len(lengths) > 1:
        raise ShapeError(
            "all series must have one length",
            f"series of {min(lengths)} to {max(lengths)} samples",
            "Append NaN to the shorter ones.",
        )


def as_given(series: Array, values: Array) -> Array:
    """Series (N, C, L) in the layout and float type of others, (N, L) or (N, L, C)."""
    dtype = values.dtype if values.dtype in (np.float32, np.float64) else np.float64
    given = series[:, 0] if values.ndim == 2 else np.swapaxes(series, 1, 2)
    return np.ascontiguousarray(given, dtype)


def _whole(one: Array) -> Array:
    present = ~np.isnan(one)
    if not present.any(axis=1).all():
        raise ShapeError("a series must have a number in each channel", "one with NaN alone", "Leave it out.")
    length = int(np.flatnonzero(present.any(axis=0))[-1]) + 1
    size = one.shape[1]
    places = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    return np.stack(
        [np.interp(places, np.flatnonzero(here), row[here]) for row, here in zip(one, present, strict=True)]
    )
