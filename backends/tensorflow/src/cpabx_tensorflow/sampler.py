"""Bilinear interpolation in TensorFlow, with the options of ``torch.nn.functional.grid_sample``.

The same as :mod:`cpabx.numpy_sampler`, and with the derivatives that torch chooses where there are
two: at a pixel the one to its right, on and beyond the clamped border none.
"""

from __future__ import annotations

import tensorflow as tf


def bilinear(images: tf.Tensor, grid: tf.Tensor, padding_mode: str, align_corners: bool) -> tf.Tensor:
    """Images (N, H, W, C) at grid (N, h, w, 2) of (x, y) in [-1, 1]: (N, h, w, C)."""
    height, width = images.shape[1:3]
    x = _pixel(grid[..., 0], width, padding_mode, align_corners)
    y = _pixel(grid[..., 1], height, padding_mode, align_corners)
    x0, y0 = tf.floor(x), tf.floor(y)
    right, low = x - x0, y - y0
    pixels = tf.reshape(images, (tf.shape(images)[0], height * width, images.shape[3] or tf.shape(images)[3]))
    result = tf.zeros((), images.dtype)
    for dx, across in ((0, 1 - right), (1, right)):
        for dy, down in ((0, 1 - low), (1, low)):
            result += (across * down)[..., None] * _tap(pixels, x0 + dx, y0 + dy, width, height)
    return result


def _pixel(coordinate: tf.Tensor, size: int, padding_mode: str, align_corners: bool) -> tf.Tensor:
    """Pixel coordinates: pixel i has its centre at i."""
    pixel = (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        pixel = _reflect(pixel - low, span) + low if span > 0 else tf.zeros_like(pixel)
    lost = tf.math.is_nan(pixel)
    if padding_mode in ("border", "reflection"):
        clamped = tf.stop_gradient(tf.clip_by_value(pixel, 0, size - 1))
        pixel = tf.where((pixel > 0) & (pixel < size - 1), pixel, clamped)
    # What is far outside contributes nothing, and must not overflow an integer.
    return tf.clip_by_value(tf.where(lost, tf.constant(-2, pixel.dtype), pixel), -2, size + 1)


def _reflect(distance: tf.Tensor, span: float) -> tf.Tensor:
    """Folds the line into [0, span]."""
    # Not tf.abs, whose derivative at NaN is NaN even where nothing comes back.
    folded = tf.math.floormod(tf.where(distance < 0, -distance, distance), 2 * span)
    return tf.minimum(folded, 2 * span - folded)


def _tap(pixels: tf.Tensor, x: tf.Tensor, y: tf.Tensor, width: int, height: int) -> tf.Tensor:
    """Pixels (x, y) of images (N, H * W, C), zero outside of the image."""
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    column = tf.cast(tf.clip_by_value(x, 0, width - 1), tf.int32)
    row = tf.cast(tf.clip_by_value(y, 0, height - 1), tf.int32)
    tap = tf.gather(pixels, row * width + column, axis=1, batch_dims=1)
    return tf.where(inside[..., None], tap, tf.zeros((), pixels.dtype))
