"""Maps of an image that are known and are no CPAB: what fits of landmarks are measured against.

All move pixels (P, 2), in the order (x, y), of images of 128x128 pixels, and are one to one on the image.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

Array = NDArray[np.float64]
Map = Callable[[Array], Array]

#: Pixels along a side.
SIDE = 128
#: A map that is drawn changes no area to less than this: those that would are drawn again.
LEAST_AREA = 0.1


def pixels() -> Array:
    """(SIDE ** 2, 2) centres of all pixels, x fastest."""
    one = np.arange(SIDE, dtype=np.float64)
    return np.stack(np.meshgrid(one, one), axis=-1).reshape(-1, 2)


def in_domain(places: Array) -> Array:
    """Pixels in units of [-1, 1]^2, which the image covers."""
    return np.asarray((places + 0.5) * (2 / SIDE) - 1)


def in_pixels(points: Array) -> Array:
    """What :func:`in_domain` undoes."""
    return np.asarray((points + 1) * (SIDE / 2) - 0.5)


def displaced(largest: float, width: float, seed: int) -> Map:
    """X + u(x), with u white noise smoothed by a Gaussian.

    Args:
        largest: the greatest length of u, in pixels.
        width: standard deviation of the Gaussian, in pixels.
        seed: of the noise.
    """
    generator = np.random.default_rng(seed)
    while True:
        noise = generator.standard_normal((2, SIDE, SIDE))
        field = gaussian_filter(noise, (0, width, width), mode="reflect")
        field *= largest / np.sqrt((field**2).sum(axis=0)).max()
        if areas(moved := _plus(field)).min() > LEAST_AREA:
            return moved


def _plus(field: Array) -> Map:
    def moved(places: Array) -> Array:
        rows = places[:, ::-1].T
        by_axis = [map_coordinates(component, rows, order=3, mode="nearest") for component in field]
        return np.asarray(places + np.stack(by_axis, axis=-1))

    return moved


def swirl(strength: float = 2.0, radius: float = 100.0) -> Map:
    """A rotation about the middle, by ``strength`` there, that dies away: the one of scikit-image."""
    centre, decay = (SIDE - 1) / 2, np.log(2) * radius / 5

    def moved(places: Array) -> Array:
        x, y = (places - centre).T
        angle = strength * np.exp(-np.hypot(x, y) / decay)
        cos, sin = np.cos(angle), np.sin(angle)
        return np.asarray(centre + np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1))

    return moved


def areas(moved: Map) -> Array:
    """(SIDE, SIDE) determinants of a map's Jacobian, by differences between pixels."""
    grid = moved(pixels()).reshape(SIDE, SIDE, 2)
    along_y, along_x = np.asarray(np.gradient(grid, axis=0)), np.asarray(np.gradient(grid, axis=1))
    return np.asarray(along_x[..., 0] * along_y[..., 1] - along_x[..., 1] * along_y[..., 0])


def folding(moved: Map) -> float:
    """The share of pixels where a map folds."""
    return float((areas(moved) <= 0).mean())


def smooth(seed: int = 0) -> Map:
    """What landmarks are fitted to: 10 pixels."""
    return displaced(10, 13, seed)


def hard(seed: int = 0) -> Map:
    """13 pixels, with smaller details."""
    return displaced(13, 8, seed)
