"""Bilinear interpolation in numpy, with the options of ``torch.nn.functional.grid_sample``."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def bilinear(images: Array, grid: Array, padding_mode: str, align_corners: bool) -> Array:
    """Images (N, H, W, C) at grid (N, h, w, 2) of (x, y) in [-1, 1]: (N, h, w, C)."""
    height, width = images.shape[1:3]
    x = _pixel(grid[..., 0], width, padding_mode, align_corners)
    y = _pixel(grid[..., 1], height, padding_mode, align_corners)
    x0, y0 = np.floor(x), np.floor(y)
    result = np.zeros((*grid.shape[:3], images.shape[3]), images.dtype)
    for dx in (0, 1):
        for dy in (0, 1):
            weight = (1 - np.abs(x - (x0 + dx))) * (1 - np.abs(y - (y0 + dy)))
            result += weight[..., None] * _tap(images, x0 + dx, y0 + dy)
    return result


def _pixel(coordinate: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Pixel coordinates: pixel i has its centre at i."""
    pixel = (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align_corners else (-0.5, float(size))
        pixel = _reflect(pixel - low, span) + low if span > 0 else np.zeros_like(pixel)
    if padding_mode in ("border", "reflection"):
        pixel = np.clip(pixel, 0, size - 1)
    # What is far outside contributes nothing, and must not overflow an integer.
    return np.clip(np.nan_to_num(pixel, nan=-2.0), -2, size + 1).astype(coordinate.dtype)


def _reflect(distance: Array, span: float) -> Array:
    """Folds the line into [0, span]."""
    folded = np.abs(distance) % (2 * span)
    return np.minimum(folded, 2 * span - folded)


def _tap(images: Array, x: Array, y: Array) -> Array:
    """Pixels (x, y), zero outside of the image."""
    height, width = images.shape[1:3]
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    column = np.clip(x, 0, width - 1).astype(np.intp)
    row = np.clip(y, 0, height - 1).astype(np.intp)
    batch = np.arange(len(images))[:, None, None]
    return np.asarray(images[batch, row, column] * inside[..., None])
