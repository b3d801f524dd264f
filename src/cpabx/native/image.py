"""What libcpab must know about an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np

from cpabx.native.library import Library

Padding = Literal["zeros", "border", "reflection", "wrap"]
Mode = Literal["linear", "nearest", "cubic"]
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Image:
    """The layout of a batch of images, and how they are interpolated.

    Args:
        size: pixels along x, (y, (z)): in the order of coordinates, which is the reverse of an array's axes.
        channels: how many.
        channels_last: (N, (z, (y,)) x, channels), or else (N, channels, (z, (y,)) x).
        padding: what lies around the image.
        mode: n-linear interpolation, the nearest pixel, or cubic convolution.
        align_corners: whether the outermost pixels' centres, or their outer edges, lie on the border of the domain.

    The options mean what they mean in :meth:`cpabx.backend.Backend.sample`.
    """

    size: tuple[int, ...]
    channels: int
    channels_last: bool = False
    padding: Padding = "zeros"
    mode: Mode = "linear"
    align_corners: bool = False

    @classmethod
    def of_shape(
        cls, shape: Sequence[int], *, channels_last: bool, mode: str, padding_mode: str, align_corners: bool
    ) -> Image:
        """The description of images of a shape, with the options of :meth:`cpabx.backend.Backend.sample`."""
        channels, size = (shape[-1], shape[1:-1]) if channels_last else (shape[1], shape[2:])
        return cls(
            tuple(size[::-1]), channels, channels_last, cast(Padding, padding_mode), cast(Mode, mode), align_corners
        )

    @property
    def ndim(self) -> int:
        return len(self.size)

    def data_shape(self, n_batch: int) -> tuple[int, ...]:
        """The shape of an array of images that have this description."""
        return self.results_shape(n_batch, self.size)

    def results_shape(self, n_batch: int, size: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an array of images of another size (x, (y, (z))), of the same channels and layout."""
        axes = size[::-1]
        return (n_batch, *axes, self.channels) if self.channels_last else (n_batch, self.channels, *axes)

    @property
    def n_pixels(self) -> int:
        return math.prod(self.size)

    def described(self, library: Library) -> Any:
        """As a ``cpab_image *`` that lives as long as the returned object."""
        ffi, lib = library.ffi, library.lib
        image = ffi.new("cpab_image *")
        image.struct_size = ffi.sizeof("cpab_image")
        image.ndim = self.ndim
        image.padding = getattr(lib, f"CPAB_PADDING_{self.padding.upper()}")
        image.interpolation = getattr(lib, f"CPAB_INTERPOLATION_{self.mode.upper()}")
        image.align_corners = self.align_corners
        image.channels_last = self.channels_last
        image.channels = self.channels
        for axis, n in enumerate(self.size):
            image.size[axis] = n
        return image


def take_pixels(images: Array, places: Array, fill: Array, *, channels_last: bool) -> Array:
    """:meth:`cpabx.backend.Backend.take_pixels` of numpy arrays."""
    if not channels_last:
        images, places = np.moveaxis(images, 1, -1), np.moveaxis(places, 1, -1)
    inside = (places >= 1).all(-1, keepdims=True)
    index = np.where(inside, places, 1).astype(np.int64) - 1
    batch = np.arange(len(images)).reshape(-1, *[1] * (places.ndim - 2))
    taken = images[(batch, *np.moveaxis(index, -1, 0)[::-1])]
    result = np.where(inside, taken, fill)
    return result if channels_last else np.moveaxis(result, -1, 1)
