"""What lies outside of images whose padding is ``"zeros"``: another number than zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError, shown
from cpabx.sampling.options import Numbers, Sampling
from cpabx.tracing import kept

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor
    from cpabx.sampling.grid import PixelGrid

Array = NDArray[Any]


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
    sampling: Sampling,
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` by a function that knows zeros alone."""
    shape = backend.shape(images)
    values = fill_of(sampling.fill, backend.dtype(images), shape[-1 if backend.channels_last else 1])
    shift = backend.constant(values, like=images)
    if not backend.channels_last:
        shift = backend.reshape(shift, (-1, *[1] * (len(shape) - 2)))
    return warp(backend, images - shift, theta, grid, sampling) + shift
