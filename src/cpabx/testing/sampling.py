"""``Backend.sample``: n-linear interpolation that means what grid_sample means, against scipy's."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from cpabx.backend import Backend
from cpabx.sampling import Sampling
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    each_alignment,
    each_dtype,
    each_mode,
    each_padding,
    image_array,
    image_tensor,
    tensor,
)

SIZES = [(4, 5), (7, 2), (1, 6), (5, 1), (1, 1), (6,), (1,), (3, 4, 5), (2, 1, 3)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)


def sampled(
    backend: Backend, images: Array, grid: Array, padding_mode: str, align_corners: bool, mode: str = "linear"
) -> Array:
    sampling = Sampling(mode, padding_mode, align_corners)
    return image_array(backend, backend.sample(image_tensor(backend, images), tensor(backend, grid), sampling))


def scipys(images: Array, grid: Array, padding_mode: str, align_corners: bool, mode: str) -> Array:
    """Images (N, *size, C) at grid (N, *output size, n), by the definition of grid_sample's options."""
    size = np.array(images.shape[1:-1])[::-1]
    pixel = (grid + 1) / 2 * (size - 1) if align_corners else ((grid + 1) * size - 1) / 2
    reflection = "mirror" if align_corners else "reflect"  # about pixels' centres, or their edges
    modes = {"zeros": "grid-constant", "border": "nearest", "reflection": reflection, "wrap": "grid-wrap"}
    at = np.moveaxis(pixel[..., ::-1], -1, 1)  # N, (row, column), ...
    result = np.empty((*grid.shape[:-1], images.shape[-1]))
    for i, c in np.ndindex(len(images), images.shape[-1]):
        options: dict[str, Any] = {"order": 1 if mode == "linear" else 0, "mode": modes[padding_mode]}
        image = images[i, ..., c]
        result[i, ..., c] = (
            convolved(image, at[i], **options) if mode == "cubic" else map_coordinates(image, at[i], **options)
        )
    return result


def convolved(image: Array, at: Array, *, mode: Any, **_: Any) -> Array:
    """Cubic convolution at places (n, ...): scipy says what is at whole numbers, Keys' kernel what these count."""
    first = np.floor(at) - 1
    total = np.zeros(at.shape[1:])
    for corner in itertools.product(range(4), repeat=len(at)):
        place = first + np.reshape(corner, (-1, *[1] * (at.ndim - 1)))
        far = np.abs(at - place)
        near, wide = (1.25 * far - 2.25) * far**2 + 1, -0.75 * (((far - 5) * far + 8) * far - 4)
        weight = np.where(far < 1, near, np.where(far < 2, wide, 0)).prod(0)
        total += weight * map_coordinates(image, place, order=0, mode=mode)
    return total


class TestSampling:
    @each_mode
    @each_padding
    @each_alignment
    @each_size
    def test_scipy_agrees(
        self, backend: Backend, mode: str, padding_mode: str, align_corners: bool, size: tuple[int, ...]
    ) -> None:
        """An independent interpolation, inside, over the border and beyond it."""
        images = draw_images(2, *size, 3, 0)
        grid = np.random.default_rng(0).uniform(-3, 3, (2, *(9, 11, 2)[: len(size)], len(size)))
        if mode != "nearest":
            grid[:, 0] = np.linspace(-1, 1, grid[0, 0].size).reshape(grid.shape[2:])  # at the corners, too
        got = sampled(backend, images, grid, padding_mode, align_corners, mode)
        assert distance(got, scipys(images, grid, padding_mode, align_corners, mode)) <= 1e-12

    @each_mode
    @each_padding
    @each_alignment
    @pytest.mark.parametrize("size", [(5,), (4, 5), (3, 4, 5)], ids=str)
    def test_pixels_are_where_they_should_be(
        self, backend: Backend, mode: str, padding_mode: str, align_corners: bool, size: tuple[int, ...]
    ) -> None:
        """Sampling at the pixels' centres gives the image."""
        images = draw_images(1, *size, 2, 1)
        axes = [2 * np.arange(n) / (n - 1) - 1 if align_corners else (2 * np.arange(n) + 1) / n - 1 for n in size]
        grid = np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1)[None]
        assert distance(sampled(backend, images, grid, padding_mode, align_corners, mode), images) <= 1e-12

    @pytest.mark.parametrize("padding_mode", ["zeros", "border"])
    def test_between_two_pixels_the_even_one_is_nearest(self, backend: Backend, padding_mode: str) -> None:
        """As with rint: halves go to the even neighbour, which for zeros may be outside."""
        signal = np.arange(1.0, 6.0)[None, :, None]
        pixel = np.array([-0.5, 0.5, 1.5, 2.5, 3.5, 4.5])
        got = sampled(backend, signal, (pixel / 2 - 1)[None, :, None], padding_mode, True, "nearest")
        assert got[0, :, 0].tolist() == [1, 1, 3, 3, 5, 5]

    @each_mode
    @each_dtype
    @each_alignment
    def test_far_outside(self, backend: Backend, align_corners: bool, dtype: str, mode: str) -> None:
        """Zeros are zero and borders are the border, however far, without an overflow."""
        images = draw_images(1, 4, 5, 1, 2).astype(dtype)
        corners = np.array([[-1.0, -1], [1, -1], [-1, 1], [1, 1]])
        expected = images[0, [0, 0, -1, -1], [0, -1, 0, -1]]
        for far in (1e3, 1e9, 1e18, 1e30):
            grid = tensor(backend, (far * corners)[None, None], dtype)
            given = image_tensor(backend, images, dtype)
            zeros, border = (
                image_array(backend, backend.sample(given, grid, Sampling(mode, padding, align_corners)))
                for padding in ("zeros", "border")
            )
            assert np.array_equal(zeros, np.zeros((1, 1, 4, 1)))
            assert distance(border[0, 0], expected) <= 1e-6

    @each_mode
    @each_alignment
    def test_beyond_what_can_be_counted_in_pixels(self, backend: Backend, align_corners: bool, mode: str) -> None:
        """A coordinate that is finite, but overflows in pixels: padding all the same, and reflected somewhere."""
        images = draw_images(1, 7, 5, 1, 4).astype("float32")
        grid = tensor(backend, np.array([[[[3e38, -3e38], [-3e38, 0.0]]]]), "float32")
        for padding_mode in ("zeros", "border", "reflection", "wrap"):
            sampling = Sampling(mode, padding_mode, align_corners)
            got = image_array(backend, backend.sample(image_tensor(backend, images, "float32"), grid, sampling))
            expected = {"zeros": [0, 0], "border": [images[0, 0, 4, 0], images[0, 3, 0, 0]]}.get(padding_mode)
            assert np.isfinite(got).all()
            assert expected is None or got.ravel().tolist() == expected

    @each_mode
    @each_padding
    @each_alignment
    def test_what_is_not_finite_is_nan(
        self, backend: Backend, mode: str, padding_mode: str, align_corners: bool
    ) -> None:
        """A place that does not exist has no value: not some pixel's, which would hide an error."""
        for size in ((5,), (4, 5), (3, 4, 5)):
            images = draw_images(1, *size, 2, 3)
            grid = np.random.default_rng(3).uniform(-0.9, 0.9, (1, *size, len(size)))
            expected = np.array(sampled(backend, images, grid, padding_mode, align_corners, mode))
            for k, (axis, poison) in enumerate(itertools.product(range(len(size)), (np.nan, np.inf, -np.inf))):
                place = np.unravel_index(k, size)
                grid[0][place][axis] = poison
                expected[0][place] = np.nan
            got = sampled(backend, images, grid, padding_mode, align_corners, mode)
            assert np.array_equal(np.isnan(got), np.isnan(expected))
            assert distance(np.nan_to_num(got), np.nan_to_num(expected)) <= 1e-12

    def test_what_is_not_sampled_is_not_seen(self, backend: Backend) -> None:
        """A pixel that is not finite shows only where it is one of those around a point."""
        images = np.full((1, 3, 3, 1), np.inf)
        images[:, 1, 1] = 1
        grid = np.array([[[[5.0, 5.0], [-5.0, 0.0]]]])
        assert not sampled(backend, images, grid, "zeros", False).any()
        assert sampled(backend, images, np.zeros((1, 1, 1, 2)), "zeros", False, "nearest") == 1

    @pytest.mark.parametrize("size", [(5,), (4, 5), (3, 4, 5)], ids=str)
    def test_no_pixels_are_sampled_to_none(self, backend: Backend, size: tuple[int, ...]) -> None:
        """Empty batches pass through."""
        output_size = (3, 2, 4)[: len(size)]
        grid = np.zeros((0, *output_size, len(size)))
        assert sampled(backend, np.zeros((0, *size, 2)), grid, "zeros", False).shape == (0, *output_size, 2)
