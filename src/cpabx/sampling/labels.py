"""Label maps: images of integers or booleans, of which warping takes whole pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cpabx.errors import DtypeError, ShapeError
from cpabx.sampling.fill import Array, fill_of
from cpabx.sampling.size import is_shared
from cpabx.tracing import kept

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor
    from cpabx.sampling.grid import PixelGrid
    from cpabx.sampling.options import Sampling

#: Element types of label maps.
LABELS = ("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64")


def are_labels(backend: Backend, images: Tensor, mode: str) -> bool:
    """Whether a tensor is a label map.

    Raises:
        DtypeError: it is, but the mode makes other numbers of its labels.
    """
    dtype = backend.dtype(images)
    if dtype in LABELS and mode != "nearest":
        raise DtypeError(
            f"images must be float32 or float64 with mode={mode!r}, which computes with them",
            dtype,
            "Use mode='nearest', which keeps labels as they are, or convert the images.",
        )
    return dtype in LABELS


def warp_labels(
    warp: Callable[..., Tensor],
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    grid: PixelGrid,
    sampling: Sampling,
) -> Tensor:
    """:meth:`cpabx.Transformation.warp` of label maps, by a function that does it for floats.

    What is sampled is an image of the pixels' own numbers: no label is computed with, however large. A place
    that is not finite, for which labels have no NaN, is outside.
    """
    shape = backend.shape(images)
    size = shape[1:-1] if backend.channels_last else shape[2:]
    channels = shape[-1] if backend.channels_last else shape[1]
    values = fill_of(sampling.fill, backend.dtype(images), channels)
    places = warp(backend, _numbers(backend, theta, size), theta, grid, sampling)
    if is_shared(backend, places, images):
        places = backend.expand(places, like=images)
    elif is_shared(backend, images, places):
        images = backend.expand(images, like=places)
    return backend.take_pixels(images, places, backend.constant(values, like=images))


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


def _numbers(backend: Backend, theta: Tensor, size: Sequence[int | None]) -> Tensor:
    """(N, *size, n), or (N, n, *size): the numbers x, (y, (z)) of each pixel, from 1 on: 0 is outside.

    Of an item whose theta is not finite they are NaN.
    """
    nothing, axes = backend.sum(theta * 0, axis=-1), []
    for k, n in enumerate(size):
        if n is None:
            raise ShapeError(
                "the size of label maps must be known", f"pixels {tuple(size)}", "Fix it in the model's input."
            )
        shape = [1] * (len(size) + 1)
        shape[k if backend.channels_last else k + 1] = n
        axes.append(backend.reshape(backend.constant(_counted(n), like=theta), (1, *shape)))
    zeros = backend.reshape(nothing, (-1, *[1] * (len(size) + 1)))
    for axis in axes:
        zeros = zeros + axis * 0
    return backend.concat([axis + zeros for axis in reversed(axes)], axis=-1 if backend.channels_last else 1)


@kept(32)
def _counted(n: int) -> Array:
    counted = np.arange(1.0, n + 1)
    counted.flags.writeable = False
    return counted
