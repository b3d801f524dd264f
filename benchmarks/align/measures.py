"""How good a displacement is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.align.cases import Array, Pair, areas


@dataclass(frozen=True)
class Measures:
    """Of one pair.

    Attributes:
        error: the mean distance from the truth in pixels, NaN where there is none.
        rmse: of the warped moving image, which goes on beyond its border, and the fixed one.
        folding: the share of pixels whose area is negative, by differences.
        smallest_area: by differences between pixels.
        largest_area: the same.
    """

    error: float
    rmse: float
    folding: float
    smallest_area: float
    largest_area: float


def measured(pair: Pair, displacement: Array) -> Measures:
    """The measures of a displacement (*size, n) in pixels."""
    from scipy.ndimage import map_coordinates

    pixels = np.stack(np.meshgrid(*map(np.arange, pair.fixed.shape), indexing="ij"), axis=-1)
    places = np.moveaxis(pixels + displacement[..., ::-1], -1, 0)
    warped = map_coordinates(pair.moving, places, order=1, mode="nearest")
    area = areas(displacement)
    return Measures(
        float("nan") if pair.truth is None else float(np.linalg.norm(displacement - pair.truth, axis=-1).mean()),
        float(np.sqrt(np.mean((warped - pair.fixed) ** 2))),
        float((area <= 0).mean()),
        float(area.min()),
        float(area.max()),
    )
