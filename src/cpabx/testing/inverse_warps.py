"""``warp`` and ``grid`` by the inverse map."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import OptionError, UnsupportedError
from cpabx.sampling import Sampling, pixel_grid
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    each_alignment,
    each_dimension,
    image_array,
    image_tensor,
    name_of,
    needs,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import TOLERANCE, differences_in_theta, relative_error
from cpabx.testing.inverses import each_invertible, near


def coordinates(family: Transformation, n: int, size: tuple[int, ...]) -> Array:
    """(N, *size, n): images whose channels are the places of their pixels, which interpolation gives back exactly."""
    points = pixel_grid(size, False, family.domain).points
    return np.tile(points.reshape(1, *size, family.ndim), (n, *[1] * (family.ndim + 1)))


class TestInverseWarps:
    @each_invertible
    def test_looks_up_where_the_map_comes_from(self, backend: Backend, family: Transformation) -> None:
        """An image of places shows them: T takes what is found at a pixel to that pixel."""
        theta, size, other = near(family, 2, 0), pixels_of(family, 7, 8, 9), pixels_of(family, 5, 6, 4)
        images = coordinates(family, 2, size)
        given = image_tensor(backend, images), tensor(backend, theta)
        found = image_array(backend, family.warp(*given, other, padding_mode="border", inverse=True))
        found = found.reshape(2, -1, family.ndim)
        flat = images[0].reshape(-1, family.ndim)
        low, high = flat.min(0), flat.max(0)
        inside = ((found > low + 1e-9) & (found < high - 1e-9)).all(-1)
        assert inside.mean() > 0.2
        pixels = np.stack([pixel_grid(other, False, family.domain).points] * 2)
        moved = backend.to_numpy(family.transform(tensor(backend, found), given[1]))
        assert distance(moved[inside], pixels[inside]) <= 1e-9
        forwards = image_array(backend, family.warp(*given, other, padding_mode="border"))
        assert distance(forwards.reshape(found.shape), found) > 0.01

    @each_alignment
    @each_invertible
    def test_grid_is_the_inverse_of_the_pixels(
        self, backend: Backend, family: Transformation, align_corners: bool
    ) -> None:
        """And warp samples there, with all options."""
        theta, size = tensor(backend, near(family, 2, 1)), pixels_of(family, 3, 4, 5)
        points = pixel_grid(size, align_corners, family.domain).points
        expected = backend.to_numpy(family.inverse(tensor(backend, points), theta)).reshape(2, *size, family.ndim)
        got = backend.to_numpy(family.grid(theta, size, align_corners=align_corners, inverse=True))
        assert distance(got, expected) <= 1e-11
        unit = family.grid(theta, size, units="unit", align_corners=align_corners, inverse=True)
        images = image_tensor(backend, draw_images(2, *pixels_of(family, 6, 5, 4), 2, 1))
        for mode, padding_mode in (("linear", "reflection"), ("nearest", "zeros"), ("cubic", "wrap")):
            options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
            sampled = image_array(backend, backend.sample(images, unit, Sampling(**options)))
            warped = image_array(backend, family.warp(images, theta, size, inverse=True, **options))
            assert distance(warped, sampled) <= 1e-10
        filled = image_array(backend, family.warp(images, theta, size, inverse=True, fill=(0.5, 2.0)))
        shifted = image_array(backend, family.warp(images, theta, size, inverse=True))
        ones = image_tensor(backend, np.ones((2, *pixels_of(family, 6, 5, 4), 2)))
        covered = image_array(backend, family.warp(ones, theta, size, inverse=True))
        assert distance(filled, shifted + (1 - covered) * [0.5, 2.0]) <= 1e-10

    @each_dimension
    def test_of_a_flow_is_that_of_the_opposite_field(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...]
    ) -> None:
        """Through the backend's fused call, if it has one; gradients included."""
        theta, images = tensor(backend, near(family, 2, 2)), image_tensor(backend, draw_images(2, *size, 2, 2))
        got = family.warp(images, theta, output_size, inverse=True)
        opposite = family.warp(images, -theta, output_size)
        assert distance(backend.to_numpy(got), backend.to_numpy(opposite)) <= 1e-12
        if "autograd" in backend.supports:
            cotangent = tensor(backend, np.random.default_rng(2).standard_normal(backend.to_numpy(got).shape))
            grads = [
                backend.vjp(
                    lambda i, t, sign=sign: family.warp(i, sign * t, output_size, inverse=sign > 0),
                    (images, theta),
                    cotangent,
                )
                for sign in (1, -1)
            ]
            for one, other in zip(*grads, strict=True):
                assert distance(backend.to_numpy(one), backend.to_numpy(other)) <= 1e-11

    def test_of_a_flow_is_one_call(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fused one follows the field for time -1."""
        family, times = Cpab((2, 2)), []
        for name in ("cpab_warp", "cpab_warp_by_theta"):  # a backend without the second is asked for the first
            fused = getattr(backend, name)

            def spy(*given: Any, name: str = name, fused: Any = fused) -> Any:
                result = fused(*given)
                if result is not None or name == "cpab_warp":
                    times.append(given[-3])  # before the size and the sampling
                return result

            monkeypatch.setattr(backend, name, spy)
        images = image_tensor(backend, draw_images(1, 5, 6, 1, 3))
        family.warp(images, tensor(backend, near(family, 1, 3)), inverse=True)
        assert times == [-1.0]

    @pytest.mark.parametrize("family", [Affine(), Homography(), Composition(Cpab((2, 1)), AffineDiffeo())], ids=name_of)
    def test_gradients(self, backend: Backend, family: Transformation) -> None:
        """By theta, against differences."""
        needs(backend, "autograd")
        theta, size = near(family, 2, 4), pixels_of(family, 1, 4, 5)
        places = coordinates(family, 2, size)
        images = np.sin(places) + places[..., ::-1] ** 2  # smooth, so few kinks
        options: dict[str, Any] = {"mode": "cubic", "padding_mode": "border", "inverse": True}
        cotangent = np.random.default_rng(4).standard_normal(images.shape)

        def loss(t: Array) -> Array:
            warped = image_array(backend, family.warp(image_tensor(backend, images), tensor(backend, t), **options))
            return np.asarray((cotangent * warped).reshape(2, -1).sum(1))

        (grad,) = backend.vjp(
            lambda t: family.warp(image_tensor(backend, images), t, **options),
            (tensor(backend, theta),),
            image_tensor(backend, cotangent),
        )
        assert relative_error(backend.to_numpy(grad), differences_in_theta(loss, theta)) <= TOLERANCE

    def test_of_label_maps_and_series(self, backend: Backend) -> None:
        """Labels as numbers are, and each series over its own length."""
        family = Composition(Affine(), Cpab((2, 2)))
        theta, labels = tensor(backend, near(family, 2, 5)), np.arange(60).reshape(2, 6, 5, 1)
        options: dict[str, Any] = {"mode": "nearest", "padding_mode": "border", "inverse": True}
        whole = image_array(backend, family.warp(image_tensor(backend, labels, "int64"), theta, **options))
        floats = image_array(backend, family.warp(image_tensor(backend, labels), theta, **options))
        assert np.array_equal(whole, floats)
        flow, series = Cpab(3), draw_images(2, 9, 2, 5)
        theta = tensor(backend, near(flow, 2, 6))
        given = image_tensor(backend, series)
        for size, columns in ((None, 6), ((7,), 7)):
            got = image_array(backend, flow.warp(given, theta, size, lengths=[6, 9], inverse=True))
            alone = flow.warp(image_tensor(backend, series[:1, :6]), theta[:1], size, inverse=True)
            assert distance(got[:1, :columns], image_array(backend, alone)) <= 1e-12

    def test_there_and_back(self, backend: Backend) -> None:
        """What one undoes the other redoes, but for what sampling loses: little, of a smooth image."""
        family = Composition(AffineDiffeo(), Cpab((3, 3), boundary="sliding"))
        x, y = np.moveaxis(coordinates(family, 1, (96, 96))[0], -1, 0)
        images = image_tensor(backend, (np.sin(3 * x) * np.cos(2 * y))[None, :, :, None])
        theta = tensor(backend, 0.2 * near(family, 1, 7))
        there = family.warp(images, theta, padding_mode="border", mode="cubic")
        back = image_array(backend, family.warp(there, theta, padding_mode="border", mode="cubic", inverse=True))
        inner = (slice(None), slice(24, -24), slice(24, -24))
        assert np.abs(back - image_array(backend, images))[inner].max() <= 2e-3
        assert np.abs(image_array(backend, there) - image_array(backend, images))[inner].max() > 0.02

    def test_that_is_not_there(self, backend: Backend) -> None:
        """Thin plate splines may fold; and the option is True or False."""
        spline = ThinPlateSpline()
        theta = spline.identity(1, backend=backend.name)
        images = image_tensor(backend, np.zeros((1, 4, 4, 1)), "float32")
        with complains(UnsupportedError, match="ThinPlateSpline"):
            spline.warp(images, theta, inverse=True)
        with complains(UnsupportedError, match="ThinPlateSpline"):
            spline.grid(theta, (4, 4), inverse=True)
        with complains(OptionError, builtin=ValueError, match="inverse"):
            spline.warp(images, theta, inverse="yes")  # type: ignore[arg-type]
        with complains(OptionError, builtin=ValueError, match="inverse"):
            spline.grid(theta, (4, 4), inverse=None)  # type: ignore[arg-type]
