"""Warping: which pixels go in, which come out, and the options of sampling."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import MEMORY, flag, in_bytes, one_of
from cpabx.pixel_grid import UNITS, RunTimeSize, Sampling

PADDING_MODES = ("zeros", "border", "reflection", "wrap")
MODES = ("linear", "nearest", "cubic")

#: Along each axis: ``CPAB_MAX_SIZE`` of libcpab.
MOST_PIXELS = 1 << 30

#: What modes are called in one dimension alone.
_NAMES: dict[str, tuple[int, str]] = {
    "bilinear": (2, "linear"),
    "trilinear": (3, "linear"),
    "bicubic": (2, "cubic"),
    "tricubic": (3, "cubic"),
}

#: By the number of coordinates: what is sampled, its axes, and their letters.
KINDS = {1: "signals", 2: "images", 3: "volumes"}
_AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_LETTERS = {1: "L", 2: "HW", 3: "DHW"}
_NUMBERS = {1: "one whole number, in a tuple", 2: "two whole numbers", 3: "three whole numbers"}


def sampling_options(mode: Any, padding_mode: Any, align_corners: Any, ndim: int) -> Sampling:
    """The options of sampling, checked, and modes by the names that they have in every dimension.

    Raises:
        OptionError: there is no such mode, or not in that many dimensions.
    """
    mode = _named(mode, ndim)
    if isinstance(padding_mode, str) and padding_mode == "circular":  # as padding is called where it is of images
        padding_mode = "wrap"
    for name, value, known in (("mode", mode, MODES), ("padding_mode", padding_mode, PADDING_MODES)):
        one_of(name, value, known)
    return {"mode": mode, "padding_mode": padding_mode, "align_corners": flag("align_corners", align_corners)}


def _named(mode: Any, ndim: int) -> Any:
    if not isinstance(mode, str) or mode not in _NAMES:
        return mode
    dimension, name = _NAMES[mode]
    if dimension != ndim:
        raise OptionError(
            f"mode {mode!r} is for {KINDS[dimension]}, in {dimension}D",
            f"a transformation of {KINDS[ndim]}, in {ndim}D",
            f"Use mode={name!r}, which exists in every dimension.",
        )
    return name


def checked_units(units: Any) -> str:
    """One of :data:`cpabx.pixel_grid.UNITS`."""
    return one_of("units", units, UNITS)


def checked_size(output_size: Any, ndim: int = 2, name: str = "output_size") -> tuple[int, ...]:
    """(length,), (height, width) or (depth, height, width) as integers from 1 to ``MOST_PIXELS``.

    Raises:
        OptionError: they are something else, or more pixels in all than fit in memory.
    """
    try:
        size = tuple(operator.index(n) for n in output_size)
        if len(size) != ndim or min(size) < 1 or max(size) > MOST_PIXELS:
            raise ValueError
    except (TypeError, ValueError):
        names = ", ".join(_AXES[ndim])
        raise OptionError(
            f"{name} must be ({names}), from 1 to {MOST_PIXELS} each", shown(output_size), f"Pass {_NUMBERS[ndim]}."
        ) from None
    check_room(size, 4, name)
    return size


def check_room(shape: Sequence[int | None], itemsize: int, name: str = "output_size") -> None:
    """Raises OptionError if a result of that shape is larger than the memory, before it is asked for.

    A size that is not known counts as 1.
    """
    n_bytes = math.prod([1 if size is None else size for size in shape]) * itemsize
    if n_bytes > MEMORY:
        raise OptionError(
            f"{name} must be of a result that fits in memory, which is {in_bytes(MEMORY)} here",
            f"{in_bytes(n_bytes)}, for {' x '.join(map(str, shape))} numbers of {itemsize} bytes",
            "Pass a smaller one, or warp fewer images at once.",
        )


def only_series(ndim: int) -> None:
    """Raises OptionError unless it is 1D."""
    if ndim != 1:
        raise OptionError(
            "lengths are for series, in 1D",
            f"a transformation of {KINDS[ndim]}, in {ndim}D",
            f"Crop the {KINDS[ndim]}, and warp those of one size together.",
        )


def layout(ndim: int, *, channels_last: bool, batch: bool = True) -> str:
    """The axes of what is sampled in that many dimensions, e.g. ``"(N, C, H, W)"``."""
    axes = (*_LETTERS[ndim], "C") if channels_last else ("C", *_LETTERS[ndim])
    return f"({', '.join(('N', *axes) if batch else axes)})"


def layout_of_field(ndim: int) -> str:
    """The axes of a field at pixels, e.g. ``"(N, H, W, 2)"``."""
    return f"({', '.join(('N', *_LETTERS[ndim], str(ndim)))})"


def image_size(backend: Backend, images: Tensor, theta: Tensor, ndim: int) -> tuple[Any, ...]:
    """(L,), (H, W) or (D, H, W) of images in the backend's layout, one for each theta.

    What is not known before a graph runs is a RunTimeSize.

    Raises:
        ShapeError: they have another number of axes, or no pixels, or are not as many as theta.
    """
    shape, kind = backend.shape(images), KINDS[ndim]
    if len(shape) != ndim + 2:
        axes = layout(ndim, channels_last=backend.channels_last)
        raise ShapeError(f"{kind} must be {axes} in {backend.name}", f"shape {shape}", "Add the missing axes.")
    n = backend.shape(theta)[0]
    if shape[0] is not None and n is not None and shape[0] != n:
        raise ShapeError(f"{kind} and theta must have one N", f"{shape[0]} and {n}", "Repeat one of them.")
    sizes: list[Any] = []
    for axis in pixel_axes(ndim, channels_last=backend.channels_last):
        unknown, size = backend.run_time_size(images, axis), shape[axis]
        if unknown is None and size is not None and size < 1:
            raise ShapeError(f"{kind} must have at least one pixel", f"shape {shape}", f"Leave empty {kind} out.")
        sizes.append(size if unknown is None else RunTimeSize(unknown))
    return tuple(sizes)


def pixel_axes(ndim: int, *, channels_last: bool) -> range:
    """The axes of pixels of a batch of images."""
    return range(1, ndim + 1) if channels_last else range(2, ndim + 2)


def check_known(backend: Backend, images: Tensor, ndim: int, what: str) -> None:
    """Raises ShapeError where a size of images is not known before a graph runs."""
    shape = backend.shape(images)
    if any(shape[axis] is None for axis in pixel_axes(ndim, channels_last=backend.channels_last)):
        names, kind = " and ".join(_AXES[ndim]), KINDS[ndim]
        raise ShapeError(
            f"{names} of {kind} must be known for {what}", f"shape {shape}", "Fix them in the model's input."
        )
