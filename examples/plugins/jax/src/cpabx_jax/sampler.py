"""Interpolation in operations of JAX, which it differentiates any number of times."""

from __future__ import annotations

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from cpabx.native import Image


def interpolate(image: Image, images: Array, points: Array) -> Array:
    """Images (N, *size, C) at points (N, P, n): (N, P, C); what is not finite is NaN."""
    pixels = [_pixel(points[..., axis], size, image) for axis, size in enumerate(image.size)]
    nearest = image.mode == "nearest"
    starts = [lax.stop_gradient(jnp.round(pixel) if nearest else jnp.floor(pixel)) for pixel in pixels]
    flat = images.reshape(images.shape[0], image.n_pixels, image.channels)
    result = jnp.sum(points * 0, axis=-1, keepdims=True)
    for corner in itertools.product((0,) if nearest else (0, 1), repeat=image.ndim):
        weight = jnp.ones_like(points[..., 0])
        for pixel, start, step in zip(pixels, starts, corner, strict=True):
            if not nearest:
                weight *= pixel - start if step else 1 - (pixel - start)
        places = [start + step for start, step in zip(starts, corner, strict=True)]
        result += weight[..., None] * _tap(flat, places, image.size)
    return result


def _pixel(coordinate: Array, size: int, image: Image) -> Array:
    """Pixel coordinates, padding applied: pixel i has its centre at i."""
    coordinate = jnp.where(jnp.isfinite(coordinate), coordinate, 0)
    pixel = (coordinate + 1) / 2 * (size - 1) if image.align_corners else ((coordinate + 1) * size - 1) / 2
    if image.padding == "reflection":
        low, span = (0.0, size - 1.0) if image.align_corners else (-0.5, float(size))
        pixel = _reflect(pixel - low, span) + low if span > 0 else jnp.zeros_like(pixel)
    if image.padding != "zeros":
        pixel = jnp.where((pixel > 0) & (pixel < size - 1), pixel, lax.stop_gradient(jnp.clip(pixel, 0, size - 1)))
    return jnp.clip(pixel, -2, size + 1)  # what is far outside contributes nothing, and must not overflow an integer


def _reflect(distance: Array, span: float) -> Array:
    """Folds the line into [0, span]; what overflowed ends up at 0."""
    folded = jnp.mod(jnp.abs(jnp.where(jnp.isfinite(distance), distance, 0)), 2 * span)
    return jnp.minimum(folded, 2 * span - folded)


def _tap(flat: Array, places: list[Array], size: tuple[int, ...]) -> Array:
    """Pixels at whole numbers (x, (y, (z))) of images (N, pixels, C); 0 outside of the image."""
    index, inside = jnp.zeros(places[0].shape, int), jnp.ones(places[0].shape, bool)
    for place, n in reversed(list(zip(places, size, strict=True))):
        inside &= (place >= 0) & (place < n)
        index = index * n + jnp.clip(place, 0, n - 1).astype(int)
    return jnp.where(inside[..., None], jnp.take_along_axis(flat, index[..., None], axis=1), 0)


def take_pixels(images: Array, places: Array, fill: np.ndarray[Any, Any]) -> Array:
    """Pixels of images (N, *size, C) by their numbers (N, ..., n), from 1 on; ``fill`` where these are 0 or NaN."""
    inside = jnp.all(places >= 1, axis=-1, keepdims=True)
    index = jnp.where(inside, places, 1).astype(int) - 1
    batch = jnp.arange(len(images)).reshape(-1, *[1] * (places.ndim - 2))
    taken = images[(batch, *jnp.moveaxis(index, -1, 0)[::-1])]
    return jnp.where(inside, taken, jnp.asarray(fill))
