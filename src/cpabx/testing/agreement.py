"""The same numbers in every framework: each backend against the built-in one.

The built-in backend differentiates by hand and samples in plain numpy, so frameworks that use their
own automatic differentiation and samplers are compared with an independent computation.
"""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Cpab, Transformation
from cpabx.backend import Backend
from cpabx.sampling import Sampling
from cpabx.testing.cases import (
    distance,
    draw_images,
    draw_points,
    draw_theta,
    each_alignment,
    each_dimension,
    each_family,
    each_mode,
    each_padding,
    image_array,
    image_tensor,
    points_on_faces,
    tensor,
)

each_precision = pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 1e-5)])


class TestAgreement:
    @each_precision
    @each_family
    def test_transform(self, backend: Backend, family: Transformation, dtype: str, tolerance: float) -> None:
        """Same theta, same points, same places."""
        theta, points = draw_theta(family, 3, 0).astype(dtype), draw_points(family, (40,), 0).astype(dtype)
        if isinstance(family, Cpab):
            points = np.concatenate([points, points_on_faces(family.tessellation, 20, 0).astype(dtype)])
        got = family.transform(tensor(backend, points, dtype), tensor(backend, theta, dtype))
        assert distance(backend.to_numpy(got), family.transform(points, theta)) <= tolerance

    @each_precision
    @each_family
    def test_vjp(self, backend: Backend, family: Transformation, dtype: str, tolerance: float) -> None:
        """Same gradients; sums of many terms, so compared with the largest."""
        values = [draw_points(family, (3, 20), 1), draw_theta(family, 3, 1), np.ones((3, 20, family.ndim))]
        values[2][:, ::2] = -0.5
        values = [v.astype(dtype) for v in values]
        grads = family.vjp(*(tensor(backend, v, dtype) for v in values))
        for got, expected in zip(grads, family.vjp(*values), strict=True):
            assert np.abs(backend.to_numpy(got) - expected).max() <= tolerance * np.abs(expected).max()

    @each_precision
    @each_padding
    @each_alignment
    @pytest.mark.parametrize("size", [(6, 5), (1, 4), (4, 1), (1, 1)], ids=str)
    def test_warp(
        self,
        backend: Backend,
        dtype: str,
        tolerance: float,
        padding_mode: str,
        align_corners: bool,
        size: tuple[int, int],
    ) -> None:
        """Same pixels, for every option, thin images and thin results included."""
        family = Cpab((2, 3), domain=((0, 1), (-2, 3)))
        theta = (1.5 * draw_theta(family, 2, 2)).astype(dtype)
        images = draw_images(2, *size, 3, 2).astype(dtype)
        for output_size in (None, (5, 7), (1, 3)):
            got, expected = (
                family.warp(i, t, output_size, padding_mode=padding_mode, align_corners=align_corners)
                for i, t in (
                    (image_tensor(backend, images, dtype), tensor(backend, theta, dtype)),
                    (images, theta),
                )
            )
            assert distance(image_array(backend, got), expected) <= tolerance

    @each_precision
    @each_mode
    @each_dimension
    def test_warp_in_every_dimension(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        mode: str,
        dtype: str,
        tolerance: float,
    ) -> None:
        """Same numbers for signals and volumes; in float32, too, no sample is next to a tie of two pixels."""
        theta, images = draw_theta(family, 2, 4).astype(dtype), draw_images(2, *size, 3, 4).astype(dtype)
        got = family.warp(image_tensor(backend, images, dtype), tensor(backend, theta, dtype), output_size, mode=mode)
        expected = family.warp(images, theta, output_size, mode=mode)
        assert distance(image_array(backend, got), expected) <= tolerance

    @each_padding
    @each_alignment
    def test_sample_far_outside(self, backend: Backend, padding_mode: str, align_corners: bool) -> None:
        """Free boundaries send points far away."""
        from cpabx import get_backend

        images = draw_images(2, 4, 5, 2, 3)
        grid = np.random.default_rng(3).uniform(-1, 1, (2, 6, 7, 2)) * 10.0 ** np.arange(6)[:, None, None]
        sampling = Sampling("linear", padding_mode, align_corners)
        got = backend.sample(image_tensor(backend, images), tensor(backend, grid), sampling)
        expected = get_backend("numpy").sample(images, grid, sampling)
        # A reflected position keeps the rounding of the distance it came from, here 1e5.
        assert distance(image_array(backend, got), expected) <= 1e-9
