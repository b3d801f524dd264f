"""Interpolation in operations of JAX, which it differentiates any number of times."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax.numpy as jnp
from jax import Array, lax

from cpabx.sampling import Sampling


def interpolate(sampling: Sampling, images: Array, points: Array, lengths: Array | None = None) -> Array:
    """Images (N, *size, C) at points (N, P, n): (N, P, C); what is not finite is NaN.

    With ``lengths`` (N,), the first samples of each series alone, so many, are what covers [-1, 1].
    """
    sizes: tuple[Any, ...] = images.shape[-2:0:-1] if lengths is None else (lengths[:, None],)  # (x, (y, (z)))
    axes = []
    for axis, size in enumerate(sizes):
        pixel = _pixel(points[..., axis], size, sampling)
        start = lax.stop_gradient(jnp.round(pixel) if sampling.mode == "nearest" else jnp.floor(pixel))
        taps = _weights(pixel - start, sampling.mode).items()
        axes.append([(_resolved(start + step, size, sampling), weight) for step, weight in taps])
    flat = images.reshape(images.shape[0], math.prod(images.shape[1:-1]), images.shape[-1])
    result = jnp.sum(points * 0, axis=-1, keepdims=True)
    for corner in itertools.product(*axes):
        weight = jnp.ones_like(points[..., 0])
        for _, of_axis in corner:
            weight *= of_axis
        result += weight[..., None] * _tap(flat, [place for place, _ in corner], sizes)
    return result


def _weights(t: Array, mode: str) -> dict[int, Any]:
    """What pixels that many steps from floor(u) count, t being u - floor(u); the parameter of cubic ones is -3/4."""
    if mode == "nearest":
        return {0: 1}
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


def _pixel(coordinate: Array, size: Any, sampling: Sampling) -> Array:
    """Pixel coordinates, padding applied: pixel i has its centre at i."""
    coordinate = jnp.where(jnp.isfinite(coordinate), coordinate, 0)
    pixel = (coordinate + 1) / 2 * (size - 1) if sampling.align_corners else ((coordinate + 1) * size - 1) / 2
    if sampling.padding_mode == "reflection":
        pixel = _reflect(pixel, size, sampling)
    if sampling.padding_mode == "wrap":
        pixel = jnp.mod(_counted(pixel), size)
    if sampling.padding_mode in ("border", "reflection") and sampling.mode != "cubic":
        pixel = jnp.where((pixel > 0) & (pixel < size - 1), pixel, lax.stop_gradient(jnp.clip(pixel, 0, size - 1)))
    return jnp.clip(pixel, -2, size + 1)  # what is far outside contributes no more, and must not overflow an integer


def _resolved(place: Array, size: Any, sampling: Sampling) -> Array:
    """The pixel of the image, or none, that padding puts at a whole number near it."""
    if sampling.padding_mode == "reflection":
        place = _reflect(place, size, sampling)
    if sampling.padding_mode == "wrap":
        return jnp.mod(place, size)
    return place if sampling.padding_mode == "zeros" else jnp.clip(place, 0, size - 1)


def _reflect(pixel: Array, size: Any, sampling: Sampling) -> Array:
    """Folds the line into the image, as two mirrors do; what overflowed ends up at the first of them."""
    low, span = (0.0, size - 1) if sampling.align_corners else (-0.5, size)
    folded = jnp.mod(jnp.abs(_counted(pixel) - low), jnp.maximum(2 * span, 1))
    return jnp.minimum(folded, 2 * span - folded) + low


def _counted(pixel: Array) -> Array:
    """0 for what overflowed."""
    return jnp.where(jnp.isfinite(pixel), pixel, 0)


def _tap(flat: Array, places: list[Array], sizes: tuple[Any, ...]) -> Array:
    """Pixels at whole numbers (x, (y, (z))) of images (N, pixels, C); 0 outside of the image."""
    index, inside = jnp.zeros(places[0].shape, int), jnp.ones(places[0].shape, bool)
    for axis, (place, size) in reversed(list(enumerate(zip(places, sizes, strict=True)))):
        within = (place >= 0) & (place < size)
        inside &= within
        step = jnp.where(within, place, 0).astype(int)
        index = step if axis == len(sizes) - 1 else index * size + step
    return jnp.where(inside[..., None], jnp.take_along_axis(flat, index[..., None], axis=1), 0)


def take_pixels(images: Array, places: Array, fill: Array) -> Array:
    """Pixels of images (N, *size, C) by their numbers (N, ..., n), from 1 on; ``fill`` where these are 0 or NaN."""
    inside = jnp.all(places >= 1, axis=-1, keepdims=True)
    index = jnp.where(inside, places, 1).astype(int) - 1
    batch = jnp.arange(len(images)).reshape(-1, *[1] * (places.ndim - 2))
    taken = images[(batch, *jnp.moveaxis(index, -1, 0)[::-1])]
    return jnp.where(inside, taken, fill)
