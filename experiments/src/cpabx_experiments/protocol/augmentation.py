"""Random changes of photographs, for the unrestricted setting (section 5.4: rotate, translate, flip left-right)."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx import Affine
from cpabx_experiments.data.dataset import Array

#: To either side: degrees, and shares of the half side. The paper says neither; a pose in LFW varies by as much.
ROTATION, TRANSLATION = 10.0, 0.1


def augment(images: Array, rng: np.random.Generator) -> Array:
    """Each image rotated, translated, and, half of them, flipped.

    Args:
        images: (N, H, W, C) float32 in [0, 1].
        rng: the only source of chance.

    Returns: the same shape and range; beyond its border an image is continued by its border.
    """
    n, height, width, _ = images.shape
    angles = np.deg2rad(rng.uniform(-ROTATION, ROTATION, n))
    shifts = rng.uniform(-TRANSLATION, TRANSLATION, (n, 2))
    flips = np.where(rng.random(n) < 0.5, -1.0, 1.0)
    cos, sin = np.cos(angles), np.sin(angles)
    aspect = height / width
    # From output to input coordinates; a rotation turns pixels, which are not square in units of half sides.
    rows = [flips * cos, -flips * sin * aspect, shifts[:, 0], sin / aspect, cos, shifts[:, 1]]
    theta = np.stack(rows, axis=1).astype(np.float32)
    warped: Any = Affine().warp(images, theta, padding_mode="border", backend="numpy")
    return np.asarray(np.clip(warped, 0, 1))


__all__ = ["augment"]
