"""What lies outside of images: ``fill`` in the place of zeros; and the names of modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, Cpab, Transformation
from cpabx.backend import Backend
from cpabx.errors import OptionError
from cpabx.testing.cases import (
    distance,
    draw_images,
    draw_theta,
    each_alignment,
    each_dimension,
    each_dtype,
    each_family,
    each_mode,
    image_array,
    image_tensor,
    needs,
    pixels_of,
    tensor,
)
from cpabx.testing.complaints import complains
from cpabx.testing.layers import each_elsewhere, named


class TestFills:
    @each_mode
    @each_alignment
    @each_dimension
    def test_is_a_frame_around_the_images(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        mode: str,
        align_corners: bool,
    ) -> None:
        """As pixels of that value would be: of a number, and of one for each channel."""
        images, theta = draw_images(2, *size, 2, 0), tensor(backend, 2 * draw_theta(family, 2, 0))
        options: dict[str, Any] = {"mode": mode, "align_corners": align_corners}
        inside = image_array(
            backend, family.warp(image_tensor(backend, np.ones_like(images)), theta, output_size, **options)
        )
        plain = image_array(backend, family.warp(image_tensor(backend, images), theta, output_size, **options))
        assert family.boundary != "free" or (inside < 1).any()
        for fill in (0.5, [-1.0, 3.0], np.array([2.0, 0.0])):
            got = family.warp(image_tensor(backend, images), theta, output_size, fill=fill, **options)
            assert distance(image_array(backend, got), plain + (1 - inside) * np.asarray(fill)) <= 1e-12

    @each_dtype
    @each_family
    def test_far_outside_is_fill(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Exactly, in every family's own way of warping."""
        size = pixels_of(family, 3, 4, 5)
        images, theta = draw_images(2, *size, 2, 1), draw_theta(family, 2, 1)
        given = image_tensor(backend, images, dtype), tensor(backend, theta, dtype)
        plain, ones = (
            image_array(backend, family.warp(x, given[1]))
            for x in (given[0], image_tensor(backend, np.ones_like(images), dtype))
        )
        got = image_array(backend, family.warp(*given, fill=[7.0, -7.0]))
        assert got.dtype == dtype
        expected = plain + (1 - ones) * np.array([7.0, -7.0])
        assert distance(got, expected) <= (1e-5 if dtype == "float32" else 1e-11)

    @each_dimension
    def test_gradients(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...]
    ) -> None:
        """Those of the images are as without; those of theta are of images - fill."""
        needs(backend, "autograd")
        images = image_tensor(backend, draw_images(2, *size, 2, 2))
        theta = tensor(backend, 2 * draw_theta(family, 2, 0))
        weights = image_tensor(backend, draw_images(2, *output_size, 2, 3))

        def gradients(images: Any, **options: Any) -> list[Any]:
            grads = backend.vjp(lambda i, t: family.warp(i, t, output_size, **options), (images, theta), weights)
            return [backend.to_numpy(grad) for grad in grads]

        got = gradients(images, fill=0.75)
        expected = gradients(images - 0.75)
        for a, b in zip(got, expected, strict=True):
            assert distance(a, b) <= 1e-12
        assert distance(got[0], gradients(images)[0]) <= 1e-12

    @each_elsewhere
    def test_of_layers(self, backend: Backend, family: Transformation) -> None:
        """Passed on, and checked when the layer is made."""
        size = pixels_of(family, 4, 5, 6)
        x = image_tensor(backend, draw_images(2, *size, 2, 4), "float32")
        made = named(backend, "STCPAB", size, 2, cells=family, fill=[0.5, -1.0])
        expected = family.warp(x, made.theta(x), fill=[0.5, -1.0])
        assert distance(image_array(backend, made(x)), image_array(backend, expected)) <= 1e-5
        assert distance(image_array(backend, made(x)), image_array(backend, family.warp(x, made.theta(x)))) > 1e-2
        with complains(OptionError, builtin=ValueError, match="fill"):
            named(backend, "STCPAB", size, 2, cells=family, fill=1.0, padding_mode="border")

    @pytest.mark.parametrize(
        "fill", ["white", None, float("nan"), float("inf"), [1.0, 2.0, 3.0], [], [[1.0], [2.0]], [[1.0], 2.0], 1j, {}],
        ids=str,
    )  # fmt: skip
    def test_no_value(self, backend: Backend, fill: Any) -> None:
        """A finite number, or as many as there are channels."""
        with complains(OptionError, builtin=ValueError, match="fill must be"):
            Affine().warp(image_tensor(backend, np.zeros((1, 3, 3, 2))), tensor(backend, np.zeros((1, 6))), fill=fill)

    def test_beyond_the_type(self, backend: Backend) -> None:
        """float32 has no 1e300."""
        images = image_tensor(backend, np.zeros((1, 3, 3, 2)), "float32")
        with complains(OptionError, builtin=ValueError, match="float32"):
            Affine().warp(images, tensor(backend, np.zeros((1, 6)), "float32"), fill=1e300)

    @pytest.mark.parametrize("padding_mode", ["border", "reflection", "wrap"])
    def test_nothing_to_fill(self, backend: Backend, padding_mode: str) -> None:
        """Other paddings have no zeros; zero, the default, is no wish."""
        images, theta = image_tensor(backend, np.ones((1, 3, 3, 2))), tensor(backend, np.eye(2, 3).reshape(1, 6))
        with complains(OptionError, builtin=ValueError, match="fill goes with padding_mode='zeros'"):
            Affine().warp(images, theta, padding_mode=padding_mode, fill=1.0)
        got = Affine().warp(images, theta, padding_mode=padding_mode, fill=0.0)
        assert distance(image_array(backend, got), np.ones((1, 3, 3, 2))) <= 1e-12


class TestNamesOfModes:
    @pytest.mark.parametrize(
        ("name", "ndim", "mode"),
        [("bilinear", 2, "linear"), ("trilinear", 3, "linear"), ("bicubic", 2, "cubic"), ("tricubic", 3, "cubic")],
    )
    def test_in_their_dimension(self, backend: Backend, name: str, ndim: int, mode: str) -> None:
        """Another name is the same function; elsewhere the right name is told."""
        for n in (1, 2, 3):
            family = Cpab((2,) * n)
            images = image_tensor(backend, draw_images(1, *(5,) * n, 1, 0))
            theta = tensor(backend, draw_theta(family, 1, 0))
            if n == ndim:
                got, expected = (image_array(backend, family.warp(images, theta, mode=m)) for m in (name, mode))
                assert np.array_equal(got, expected)
            else:
                with complains(OptionError, builtin=ValueError, match=f"mode='{mode}'"):
                    family.warp(images, theta, mode=name)

    def test_circular(self, backend: Backend) -> None:
        """Another name of wrap, where images are padded."""
        images, theta = image_tensor(backend, draw_images(1, 4, 5, 1, 0)), tensor(backend, [[2.0, 0, 0.3, 0, 2, 0.1]])
        got, expected = (
            image_array(backend, Affine().warp(images, theta, padding_mode=name)) for name in ("circular", "wrap")
        )
        assert np.array_equal(got, expected)
