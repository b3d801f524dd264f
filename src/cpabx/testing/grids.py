"""``Transformation.grid``: where pixels go, in all units."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.ndimage import map_coordinates

from cpabx import Affine, Cpab, Transformation
from cpabx.backend import Backend
from cpabx.errors import OptionError, ShapeError
from cpabx.sampling import Sampling, pixel_grid
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    draw_theta,
    each_alignment,
    each_family,
    image_array,
    image_tensor,
    needs,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains

ROUNDING = 1e-11


def grid_of(backend: Backend, family: Transformation, theta: Array, size: tuple[int, ...], **options: Any) -> Array:
    return backend.to_numpy(family.grid(tensor(backend, theta), size, **options))


class TestGrids:
    @each_alignment
    @each_family
    def test_is_the_transform_of_the_pixels(
        self, backend: Backend, family: Transformation, align_corners: bool
    ) -> None:
        """In the domain's units, in the others by definition, and as displacements."""
        theta, size = draw_theta(family, 2, 0), pixels_of(family, 3, 4, 5)
        before = pixel_grid(size, align_corners, family.domain).points
        after = backend.to_numpy(family.transform(tensor(backend, before), tensor(backend, theta)))
        low, high = np.array(family.domain).T
        along = np.array(size[::-1])
        unit = 2 * (after - low) / (high - low) - 1
        voxels = (unit + 1) / 2 * (along - 1) if align_corners else ((unit + 1) * along - 1) / 2
        index = np.stack(np.meshgrid(*map(np.arange, size), indexing="ij")[::-1], axis=-1).reshape(-1, family.ndim)
        rest = 2 * (before - low) / (high - low) - 1
        for units, moved, pixels in (
            ("domain", after, before),
            ("unit", unit, rest),
            ("voxels", voxels, index),
            ("pixels", voxels, index),
        ):
            options: dict[str, Any] = {"units": units, "align_corners": align_corners}
            got = grid_of(backend, family, theta, size, **options)
            assert distance(got, moved.reshape(2, *size, family.ndim)) <= ROUNDING
            way = grid_of(backend, family, theta, size, displacement=True, **options)
            assert distance(way, (moved - pixels).reshape(2, *size, family.ndim)) <= ROUNDING

    @each_alignment
    @each_family
    def test_samples_as_warp_does(self, backend: Backend, family: Transformation, align_corners: bool) -> None:
        """The unit grid in the backend's sampler, voxels in scipy's, coordinates in the order of an array's axes."""
        theta, size = draw_theta(family, 2, 1), pixels_of(family, 4, 5, 6)
        images, other = draw_images(2, *size, 1, 1), pixels_of(family, 3, 4, 5)
        options: dict[str, Any] = {"padding_mode": "border", "align_corners": align_corners}
        expected = image_array(
            backend, family.warp(image_tensor(backend, images), tensor(backend, theta), other, **options)
        )
        grid = family.grid(tensor(backend, theta), other, units="unit", align_corners=align_corners)
        got = image_array(backend, backend.sample(image_tensor(backend, images), grid, Sampling(**options)))
        assert distance(got, expected) <= ROUNDING
        same = family.warp(images, theta, **options)
        voxels = grid_of(backend, family, theta, size, units="voxels", align_corners=align_corners)
        for image, places, result in zip(images, np.moveaxis(voxels[..., ::-1], -1, 1), same, strict=True):
            got = map_coordinates(image[..., 0], places, order=1, mode="nearest")
            assert distance(got, result[..., 0]) <= ROUNDING

    @each_family
    def test_gradients(self, backend: Backend, family: Transformation) -> None:
        """Those of the transform of the same points, in other units."""
        needs(backend, "autograd")
        theta, size = tensor(backend, draw_theta(family, 2, 2)), pixels_of(family, 2, 3, 4)
        points = pixel_grid(size, False, family.domain).points
        cotangent = np.random.default_rng(2).standard_normal((2, *size, family.ndim))
        _, expected = family.vjp(tensor(backend, points), theta, tensor(backend, cotangent.reshape(2, -1, family.ndim)))
        low, high = np.array(family.domain).T
        scale = np.array(size[::-1]) / (high - low)
        for displacement in (False, True):
            (grad,) = backend.vjp(
                lambda t, d=displacement: family.grid(t, size, units="voxels", displacement=d),
                (theta,),
                tensor(backend, cotangent / scale),
            )
            assert distance(backend.to_numpy(grad), backend.to_numpy(expected)) <= ROUNDING

    def test_other_inputs(self, backend: Backend) -> None:
        """One pixel, no items, NaN, matrices as theta; and what cannot be."""
        for align_corners in (False, True):
            one = grid_of(backend, Affine(), Affine().identity_theta()[None], (1, 1), align_corners=align_corners)
            assert np.array_equal(one, np.zeros((1, 1, 1, 2)))
        family = Cpab((2, 2))
        assert grid_of(backend, family, np.zeros((0, 20)), (3, 4)).shape == (0, 3, 4, 2)
        theta = draw_theta(Affine(), 3, 3)
        same = grid_of(backend, Affine(), theta, (3, 4))
        assert np.array_equal(grid_of(backend, Affine(), theta.reshape(3, 2, 3), (3, 4)), same)
        for each, poison in ((family, np.nan), (Affine(), np.inf)):
            theta = draw_theta(each, 3, 3)
            theta[1, -1] = poison
            got = grid_of(backend, each, theta, (3, 4), units="unit")
            assert np.isnan(got[1]).all()
            assert np.isfinite(got[[0, 2]]).all()
        with complains(ShapeError, builtin=ValueError, match="20"):
            grid_of(backend, family, np.zeros((3, 19)), (3, 4))
        for size in (4, (4,), (0, 4), (4, 4, 4), (2.5, 4), "44", None):
            with complains(OptionError, builtin=ValueError, match="^size must be"):
                grid_of(backend, family, np.zeros((3, 20)), size)  # type: ignore[arg-type]
        for units in ("mm", None, 1, ["unit"]):
            with complains(OptionError, builtin=ValueError, match="units must be"):
                grid_of(backend, family, np.zeros((3, 20)), (3, 4), units=units)
