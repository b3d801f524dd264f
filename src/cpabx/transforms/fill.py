"""What lies outside of images whose padding is ``"zeros"``: another number than zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError
from cpabx.pixel_grid import PixelGrid, Sampling

Array = NDArray[Any]


def checked_fill(fill: Any, padding_mode: str) -> Array:
    """(1,) or (C,) finite numbers.

    Raises:
        OptionError: it is something else, or is not zero where another padding leaves nothing to fill.
    """
    try:
        values = np.asarray(fill)
    except Exception:  # whatever a framework raises for a tensor that has no values, or a list for being ragged
        values = np.array(None)
    if values.ndim > 1 or values.size == 0 or values.dtype.kind not in "biuf" or not np.isfinite(values).all():
        raise OptionError(
            "fill must be a finite number, or one for each channel", repr(fill), "For instance 0.5, or (0.2, 0.4, 0.1)."
        )
    if values.any() and padding_mode != "zeros":
        raise OptionError(
            "fill goes with padding_mode='zeros': it takes the place of the zeros",
            f"fill={fill!r} and padding_mode={padding_mode!r}",
            "Leave one of them out.",
        )
    return values.reshape(-1)


def fill_of(values: Array, dtype: str, channels: int | None) -> Array:
    """The numbers in an element type, for images with that many channels, if it is known.

    Raises:
        OptionError: they are not as many, or not of that type.
    """
    if channels is not None and len(values) not in (1, channels):
        raise OptionError(
            f"fill must be one number, or {channels}, one for each channel",
            f"{len(values)} of them",
            "Pass a number for every channel of the images.",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        converted = values.astype(dtype)
    exact = converted.dtype.kind == "f" or all(map(_same, converted.tolist(), values.tolist()))
    if not exact or not np.isfinite(converted).all():
        raise OptionError(
            f"fill must be a value of the images, which are {dtype}",
            ", ".join(map(str, values.tolist())),
            f"Choose one that {dtype} has, or convert the images.",
        )
    return converted


def _same(a: Any, b: Any) -> bool:
    return bool(a == b)


def warp_filled(
    warp: Callable[..., Tensor],
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    *,
    fill: Array,
    **sampling: Unpack[Sampling],
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` by a function that knows zeros alone."""
    shape = backend.shape(images)
    values = fill_of(fill, backend.dtype(images), shape[-1 if backend.channels_last else 1])
    if not backend.channels_last:
        values = values.reshape(-1, *[1] * (len(shape) - 2))
    shift = backend.asarray(values, like=images)
    return warp(backend, images - shift, theta, grid, **sampling) + shift
