"""``Backend.sample``: bilinear interpolation that means what grid_sample means, against scipy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cpabx.backend import Backend
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    each_alignment,
    each_dtype,
    each_padding,
    image_array,
    image_tensor,
    tensor,
)

SIZES = [(4, 5), (7, 2), (1, 6), (5, 1), (1, 1)]


def sampled(backend: Backend, images: Array, grid: Array, padding_mode: str, align_corners: bool) -> Array:
    result = backend.sample(
        image_tensor(backend, images), tensor(backend, grid), padding_mode=padding_mode, align_corners=align_corners
    )
    return image_array(backend, result)


def scipys(images: Array, grid: Array, padding_mode: str, align_corners: bool) -> Array:
    """Images (N, H, W, C) at grid (N, h, w, 2), by the definition of grid_sample's options."""
    n, height, width, channels = images.shape
    size = np.array([width, height])
    pixel = (grid + 1) / 2 * (size - 1) if align_corners else ((grid + 1) * size - 1) / 2
    reflection = "mirror" if align_corners else "reflect"  # about pixels' centres, or their edges
    mode: Any = {"zeros": "grid-constant", "border": "nearest", "reflection": reflection}[padding_mode]
    at = np.moveaxis(pixel[..., ::-1], -1, 1)  # N, (row, column), h, w
    return np.stack(
        [
            np.stack([map_coordinates(images[i, ..., c], at[i], order=1, mode=mode) for c in range(channels)], axis=-1)
            for i in range(n)
        ]
    )


class TestSampling:
    @each_padding
    @each_alignment
    @pytest.mark.parametrize("size", SIZES, ids=str)
    def test_scipy_agrees(
        self, backend: Backend, padding_mode: str, align_corners: bool, size: tuple[int, int]
    ) -> None:
        """An independent interpolation, inside, over the border and beyond it."""
        images = draw_images(2, *size, 3, 0)
        grid = np.random.default_rng(0).uniform(-3, 3, (2, 9, 11, 2))
        grid[:, 0] = np.linspace(-1, 1, 11)[:, None]  # exactly at the corners, too
        got = sampled(backend, images, grid, padding_mode, align_corners)
        assert distance(got, scipys(images, grid, padding_mode, align_corners)) <= 1e-12

    @each_padding
    @each_alignment
    def test_pixels_are_where_they_should_be(self, backend: Backend, padding_mode: str, align_corners: bool) -> None:
        """Sampling at the pixels' centres gives the image."""
        images = draw_images(1, 4, 5, 2, 1)
        row, column = np.arange(4.0), np.arange(5.0)
        x, y = (2 * column / 4 - 1, 2 * row / 3 - 1) if align_corners else ((2 * column - 4) / 5, (2 * row - 3) / 4)
        grid = np.stack(np.meshgrid(x, y), axis=-1)[None]
        assert distance(sampled(backend, images, grid, padding_mode, align_corners), images) <= 1e-12

    @each_dtype
    @each_alignment
    def test_far_outside(self, backend: Backend, align_corners: bool, dtype: str) -> None:
        """Zeros are zero and borders are the border, however far, without an overflow."""
        images = draw_images(1, 4, 5, 1, 2).astype(dtype)
        corners = np.array([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
        expected = images[0, [0, 0, -1, -1], [0, -1, 0, -1]]
        for far in (1e3, 1e9, 1e18, 1e30):
            grid = tensor(backend, (far * corners)[None, None], dtype)
            given = image_tensor(backend, images, dtype)
            zeros, border = (
                image_array(backend, backend.sample(given, grid, padding_mode=mode, align_corners=align_corners))
                for mode in ("zeros", "border")
            )
            assert np.array_equal(zeros, np.zeros((1, 1, 4, 1)))
            assert distance(border[0, 0], expected) <= 1e-6

    def test_no_pixels_are_sampled_to_none(self, backend: Backend) -> None:
        """Empty batches pass through."""
        result = sampled(backend, np.zeros((0, 4, 5, 2)), np.zeros((0, 3, 2, 2)), "zeros", False)
        assert result.shape == (0, 3, 2, 2)
