"""What lies outside of images whose padding is ``"zeros"``: another number than zero."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, shown
from cpabx.pixel_grid import PixelGrid, Sampling
from cpabx.tracing import kept

Array = NDArray[Any]


Numbers = tuple[float, ...]


def checked_fill(fill: Any, padding_mode: str) -> Numbers:
    """One finite number, or several.

    Raises:
        OptionError: it is something else, or is not zero where another padding leaves nothing to fill.
    """
    values = _listed(fill)
    if not values or not all(isinstance(x, (bool, int, float)) and -math.inf < x < math.inf for x in values):
        raise OptionError(
            "fill must be a finite number, or one for each channel",
            shown(fill),
            "For instance 0.5, or (0.2, 0.4, 0.1).",
        )
    if any(values) and padding_mode != "zeros":
        raise OptionError(
            "fill goes with padding_mode='zeros': it takes the place of the zeros",
            f"fill={shown(fill)} and padding_mode={padding_mode!r}",
            "Leave one of them out.",
        )
    return values


def _listed(fill: Any) -> tuple[Any, ...]:
    """Numbers as Python's own, which compilers know, or nothing."""
    if isinstance(fill, (bool, int, float)):
        return (fill,)
    if isinstance(fill, (list, tuple)) and all(isinstance(x, (bool, int, float)) for x in fill):
        return tuple(fill)
    try:
        values = np.asarray(fill)
    except Exception:  # whatever a framework raises for a tensor that has no values, or a list for being ragged
        return ()
    return tuple(values.reshape(-1).tolist()) if values.ndim < 2 and values.dtype.kind in "biuf" else ()


def fill_of(values: Numbers, dtype: str, channels: int | None) -> Array:
    """(1,) or (C,) numbers in an element type, for images with that many channels, if it is known.

    Raises:
        OptionError: they are not as many, or not of that type.
    """
    if channels is not None and len(values) not in (1, channels):
        raise OptionError(
            f"fill must be one number, or {channels}, one for each channel",
            f"{len(values)} of them",
            "Pass a number for every channel of the images.",
        )
    return _converted(values, dtype)


@kept(32)
def _converted(values: Numbers, dtype: str) -> Array:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            converted = np.array(values).astype(dtype)
        exact = converted.dtype.kind == "f" or converted.tolist() == list(values)
    except OverflowError:  # of integers beyond 64 bits
        exact = False
    if not exact or not np.isfinite(converted).all():
        raise OptionError(
            f"fill must be a value of the images, which are {dtype}",
            ", ".join(map(shown, values)),
            f"Choose one that {dtype} has, or convert the images.",
        )
    converted.flags.writeable = False
    return converted


def warp_filled(
    warp: Callable[..., Tensor],
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    *,
    fill: Numbers,
    **sampling: Unpack[Sampling],
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` by a function that knows zeros alone."""
    shape = backend.shape(images)
    values = fill_of(fill, backend.dtype(images), shape[-1 if backend.channels_last else 1])
    shift = backend.constant(values, like=images)
    if not backend.channels_last:
        shift = backend.reshape(shift, (-1, *[1] * (len(shape) - 2)))
    return warp(backend, images - shift, theta, grid, **sampling) + shift
