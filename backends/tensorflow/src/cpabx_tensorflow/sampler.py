"""Interpolation in TensorFlow, with the options of ``torch.nn.functional.grid_sample``.

Plain operations of TensorFlow, so it works in any graph and can be saved. The derivatives are those that torch
chooses where there are two: at a pixel the one to its right, on and beyond the clamped border none.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def interpolate(images: tf.Tensor, grid: tf.Tensor, mode: str, padding_mode: str, align_corners: bool) -> tf.Tensor:
    """Images (N, H, W, C) at grid (N, h, w, 2) of (x, y) in [-1, 1]: (N, h, w, C); in 1D and 3D likewise."""
    sizes = images.shape[1:-1].as_list()
    finite = tf.reduce_all(tf.math.is_finite(grid), axis=-1)
    pixels = [
        _pixel(grid[..., axis], size, finite, padding_mode, align_corners) for axis, size in enumerate(reversed(sizes))
    ]
    starts = [tf.stop_gradient(tf.round(pixel) if mode == "nearest" else tf.floor(pixel)) for pixel in pixels]
    flat = tf.reshape(images, (tf.shape(images)[0], math.prod(sizes), images.shape[-1] or tf.shape(images)[-1]))
    result = _lost(grid)
    for corner in itertools.product((0, 1) if mode == "linear" else (0,), repeat=len(sizes)):
        places = [start + step for start, step in zip(starts, corner, strict=True)]
        weight = tf.ones((), grid.dtype)
        if mode == "linear":
            for pixel, start, step in zip(pixels, starts, corner, strict=True):
                weight *= pixel - start if step else 1 - (pixel - start)
        result += weight[..., None] * _tap(flat, places, sizes)
    return result


def _pixel(coordinate: tf.Tensor, size: int, finite: tf.Tensor, padding_mode: str, align_corners: bool) -> tf.Tensor:
    """Pixel coordinates: pixel i has its centre at i."""
    coordinate = tf.where(finite, coordinate, tf.zeros((), coordinate.dtype))
    pixel = (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        pixel = _reflect(pixel - low, span) + low if span > 0 else tf.zeros_like(pixel)
    if padding_mode in ("border", "reflection"):
        clamped = tf.stop_gradient(tf.clip_by_value(pixel, 0, size - 1))
        pixel = tf.where((pixel > 0) & (pixel < size - 1), pixel, clamped)
    # What is far outside, or nowhere, contributes nothing, and must not overflow an integer.
    return tf.where(finite, tf.clip_by_value(pixel, -2, size + 1), tf.constant(-2, pixel.dtype))


def _reflect(distance: tf.Tensor, span: float) -> tf.Tensor:
    """Folds the line into [0, span]; what overflowed ends up at 0."""
    distance = tf.where(tf.math.is_finite(distance), distance, tf.zeros((), distance.dtype))
    folded = tf.math.floormod(tf.abs(distance), 2 * span)
    return tf.minimum(folded, 2 * span - folded)


def _tap(flat: tf.Tensor, places: Sequence[tf.Tensor], sizes: Sequence[int]) -> tf.Tensor:
    """Pixels at whole numbers (x, y, z) of images (N, D * H * W, C), zero outside of the image."""
    index, inside = tf.zeros((), tf.int32), tf.constant(True)
    for place, size in zip(reversed(places), sizes, strict=True):
        inside &= (place >= 0) & (place < size)
        index = index * size + tf.cast(tf.clip_by_value(place, 0, size - 1), tf.int32)
    tap = tf.gather(flat, index, axis=1, batch_dims=1)
    return tf.where(inside[..., None], tap, tf.zeros((), flat.dtype))


def _lost(grid: tf.Tensor) -> tf.Tensor:
    """(N, h, w, 1): NaN where a point is not finite, its gradient too, and else 0."""
    nothing = tf.stop_gradient(tf.reduce_sum(grid * 0, axis=-1, keepdims=True))
    return tf.reduce_sum(grid * nothing, axis=-1, keepdims=True)


def take_pixels(images: tf.Tensor, places: tf.Tensor, fill: np.ndarray[Any, Any]) -> tf.Tensor:
    """:meth:`cpabx.backend.Backend.take_pixels`."""
    inside = tf.reduce_all(places >= 1, axis=-1, keepdims=True)
    index = tf.cast(tf.where(inside, places, tf.ones((), places.dtype)), tf.int32)[..., ::-1] - 1
    return tf.where(inside, tf.gather_nd(images, index, batch_dims=1), tf.constant(fill))
