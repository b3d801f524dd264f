"""The axes of what is sampled: their names, letters and places in signals, images and volumes."""

from __future__ import annotations

#: By the number of coordinates: what is sampled, and its axes.
KINDS = {1: "signals", 2: "images", 3: "volumes"}
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
_LETTERS = {1: "L", 2: "HW", 3: "DHW"}


def layout(ndim: int, *, channels_last: bool, batch: bool = True) -> str:
    """The axes of what is sampled in that many dimensions, e.g. ``"(N, C, H, W)"``."""
    axes = (*_LETTERS[ndim], "C") if channels_last else ("C", *_LETTERS[ndim])
    return f"({', '.join(('N', *axes) if batch else axes)})"


def layout_of_field(ndim: int) -> str:
    """The axes of a field at pixels, e.g. ``"(N, H, W, 2)"``."""
    return f"({', '.join(('N', *_LETTERS[ndim], str(ndim)))})"


def pixel_axes(ndim: int, *, channels_last: bool) -> range:
    """The axes of pixels of a batch of images."""
    return range(1, ndim + 1) if channels_last else range(2, ndim + 2)
