"""Interpolation in TensorFlow, with the options of ``torch.nn.functional.grid_sample``.

Plain operations of TensorFlow, so it works in any graph and can be saved. The derivatives are those that torch
chooses where there are two: at a pixel the one to its right, on and beyond the clamped border none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from cpabx.sampling.options import Sampling


def interpolate(images: tf.Tensor, grid: tf.Tensor, sampling: Sampling, lengths: tf.Tensor | None = None) -> tf.Tensor:
    """Images (N, H, W, C) at grid (N, h, w, 2) of (x, y) in [-1, 1]: (N, h, w, C); in 1D and 3D likewise.

    With ``lengths`` (N,), the first samples of each series alone, so many, are what covers [-1, 1].
    """
    known, shape = images.shape[1:-1].as_list(), tf.shape(images)
    sizes = [tf.cast(shape[1 + k], grid.dtype) if n is None else n for k, n in enumerate(known)][::-1]
    if lengths is not None:
        sizes = [lengths[:, None]]
    finite, axes = tf.reduce_all(tf.math.is_finite(grid), axis=-1), []
    for axis, size in enumerate(sizes):
        pixel = _pixel(grid[..., axis], size, finite, sampling)
        start = tf.stop_gradient(tf.round(pixel) if sampling.mode == "nearest" else tf.floor(pixel))
        taps = _weights(pixel - start, sampling.mode).items()
        axes.append([(_resolved(start + step, size, sampling), weight) for step, weight in taps])
    n_pixels = -1 if None in known else math.prod(known)
    flat = tf.reshape(images, (shape[0], n_pixels, images.shape[-1] or shape[-1]))
    result = _lost(grid)
    for corner in itertools.product(*axes):
        weight = tf.ones((), grid.dtype)
        for _, of_axis in corner:
            weight *= of_axis
        result += weight[..., None] * _tap(flat, [place for place, _ in corner], sizes)
    return result


def _weights(t: tf.Tensor, mode: str) -> dict[int, Any]:
    """What pixels that many steps from floor(u) count, t being u - floor(u); those of torch's cubic have a = -3/4."""
    if mode == "nearest":
        return {0: tf.ones((), t.dtype)}
    s = 1 - t
    if mode == "linear":
        return {0: s, 1: t}
    a = -0.75
    return {
        -1: a * t * s * s,
        0: ((a + 2) * t - (a + 3)) * t * t + 1,
        1: ((a + 2) * s - (a + 3)) * s * s + 1,
        2: a * s * t * t,
    }


def _pixel(coordinate: tf.Tensor, size: Any, finite: tf.Tensor, sampling: Sampling) -> tf.Tensor:
    """Pixel coordinates: pixel i has its centre at i."""
    coordinate = tf.where(finite, coordinate, tf.zeros((), coordinate.dtype))
    pixel = (coordinate + 1) / 2 * (size - 1) if sampling.align_corners else ((coordinate + 1) * size - 1) / 2
    if sampling.padding_mode == "reflection":
        pixel = _reflect(pixel, size, sampling.align_corners)
    if sampling.padding_mode == "wrap":
        pixel = tf.math.floormod(_counted(pixel), tf.cast(size, pixel.dtype))
    if sampling.padding_mode in ("border", "reflection") and sampling.mode != "cubic":
        clamped = tf.stop_gradient(_within(pixel, 0, size - 1))
        pixel = tf.where((pixel > 0) & (pixel < size - 1), pixel, clamped)
    # What is far outside, or nowhere, contributes nothing, or no more, and must not overflow an integer.
    return tf.where(finite, _within(pixel, -2, size + 1), tf.constant(-2, pixel.dtype))


def _resolved(place: tf.Tensor, size: Any, sampling: Sampling) -> tf.Tensor:
    """The pixel of the image, or none, that padding puts at a whole number near it."""
    if sampling.padding_mode == "reflection":
        place = _reflect(place, size, sampling.align_corners)
    if sampling.padding_mode == "wrap":
        return tf.math.floormod(place, tf.cast(size, place.dtype))
    return place if sampling.padding_mode == "zeros" else _within(place, 0, size - 1)


def _reflect(pixel: tf.Tensor, size: Any, align_corners: bool) -> tf.Tensor:
    """Folds the line into the image, as two mirrors do; what overflowed ends up at the first of them."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    span = tf.cast(span, pixel.dtype)
    folded = tf.math.floormod(tf.abs(_counted(pixel) - low), tf.maximum(2 * span, 1))
    return tf.minimum(folded, 2 * span - folded) + low


def _counted(pixel: tf.Tensor) -> tf.Tensor:
    """0 for what overflowed."""
    return tf.where(tf.math.is_finite(pixel), pixel, tf.zeros((), pixel.dtype))


def _within(pixel: tf.Tensor, low: int, high: Any) -> tf.Tensor:
    return tf.clip_by_value(pixel, tf.cast(low, pixel.dtype), tf.cast(high, pixel.dtype))


def _tap(flat: tf.Tensor, places: Sequence[tf.Tensor], sizes: Sequence[Any]) -> tf.Tensor:
    """Pixels at whole numbers (x, y, z) of images (N, D * H * W, C), zero outside of the image.

    Places are counted in 64 bits: TensorFlow takes sums of int32 from a GPU to the CPU.
    """
    index, inside = tf.zeros((), tf.int64), tf.constant(True)
    for place, size in zip(reversed(places), reversed(sizes), strict=True):
        within = (place >= 0) & (place < tf.cast(size, place.dtype))
        inside &= within
        step = tf.cast(tf.where(within, place, tf.zeros((), place.dtype)), tf.int64)
        index = step if index.shape.rank == 0 else index * tf.cast(size, tf.int64) + step
    tap = tf.gather(flat, index, axis=1, batch_dims=1)
    return tf.where(inside[..., None], tap, tf.zeros((), flat.dtype))


def _lost(grid: tf.Tensor) -> tf.Tensor:
    """(N, h, w, 1): NaN where a point is not finite, its gradient too, and else 0."""
    nothing = tf.stop_gradient(tf.reduce_sum(grid * 0, axis=-1, keepdims=True))
    return tf.reduce_sum(grid * nothing, axis=-1, keepdims=True)


def take_pixels(images: tf.Tensor, places: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
    """:meth:`cpabx.backend.Backend.take_pixels`."""
    inside = tf.reduce_all(places >= 1, axis=-1, keepdims=True)
    index = tf.cast(tf.where(inside, places, tf.ones((), places.dtype)), tf.int64)[..., ::-1] - 1
    return tf.where(inside, tf.gather_nd(images, index, batch_dims=1), fill)
