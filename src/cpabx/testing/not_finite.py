"""NaN and infinity spoil what depends on them, nothing else, and never hang."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pytest

from cpabx import Cpab, Transformation
from cpabx.backend import Backend
from cpabx.testing.cases import (
    CPABS,
    Array,
    distance,
    draw_images,
    draw_points,
    draw_theta,
    each_alignment,
    each_dimension,
    each_dtype,
    each_family,
    each_padding,
    image_array,
    image_tensor,
    name_of,
    needs,
    pixels_of,
    tensor,
)

each_poison = pytest.mark.parametrize("poison", [np.nan, np.inf, -np.inf], ids=str)

#: A batch of three; item 1 is the one that is not finite, and of its points, point 2.
BAD, GOOD = 1, [0, 2]
BAD_POINT = 2


class TestNotFinite:
    @pytest.fixture(autouse=True)
    def _quiet(self) -> Iterator[None]:
        with warnings.catch_warnings():
            # numpy may say that a value is invalid; whether it does is not part of the contract.
            warnings.simplefilter("ignore", RuntimeWarning)
            yield

    @each_dtype
    @each_poison
    @each_family
    def test_theta(self, backend: Backend, family: Transformation, poison: float, dtype: str) -> None:
        """The batch item is NaN, whichever of its parameters is not finite; the others are as they were."""
        theta, points = draw_theta(family, 3, 0), draw_points(family, (6,), 0)
        before = backend.to_numpy(family.transform(tensor(backend, points, dtype), tensor(backend, theta, dtype)))
        for component in range(0, family.n_params, 5):
            spoilt = theta.copy()
            spoilt[BAD, component] = poison
            after = family.transform(tensor(backend, points, dtype), tensor(backend, spoilt, dtype))
            result = backend.to_numpy(after)
            assert np.isnan(result[BAD]).all()
            assert distance(result[GOOD], before[GOOD]) <= 1e-6

    @each_dtype
    @each_poison
    @each_family
    def test_points(self, backend: Backend, family: Transformation, poison: float, dtype: str) -> None:
        """The point is NaN, whichever of its coordinates is not finite; the others are as they were."""
        theta, points = draw_theta(family, 3, 1), draw_points(family, (3, 6), 1)
        before = np.array(
            backend.to_numpy(family.transform(tensor(backend, points, dtype), tensor(backend, theta, dtype)))
        )
        for component in range(family.ndim):
            spoilt = points.copy()
            spoilt[BAD, BAD_POINT, component] = poison
            after = family.transform(tensor(backend, spoilt, dtype), tensor(backend, theta, dtype))
            result = np.array(backend.to_numpy(after))
            assert np.isnan(result[BAD, BAD_POINT]).all()
            result[BAD, BAD_POINT] = before[BAD, BAD_POINT] = 0
            assert distance(result, before) <= 1e-6

    @each_poison
    @pytest.mark.parametrize("family", CPABS[::5], ids=name_of)
    def test_points_of_every_kind_of_cpab(self, backend: Backend, family: Cpab, poison: float) -> None:
        """Infinity is in no cell: the search for one must end."""
        points = np.array([[poison, 0.0], [0.0, poison], [poison, poison], [poison, -poison], [0.5, 0.5]])
        result = backend.to_numpy(family.transform(tensor(backend, points), tensor(backend, draw_theta(family, 2, 2))))
        assert np.isnan(result[:, :4]).all()
        assert np.isfinite(result[:, 4]).all()

    @each_poison
    @each_family
    def test_vjp_with_theta(self, backend: Backend, family: Transformation, poison: float) -> None:
        """Gradients of the other items are untouched; those of this one are not numbers to train on."""
        theta, points = draw_theta(family, 3, 3), draw_points(family, (3, 6), 3)
        cotangent = np.random.default_rng(3).standard_normal(points.shape)

        def gradients(theta: Array) -> list[Array]:
            return [backend.to_numpy(g) for g in family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))]

        before, elsewhere = gradients(theta), gradients(draw_theta(family, 3, 5))
        theta[BAD] = poison
        after = gradients(theta)
        for old, new in zip(before, after, strict=True):
            assert distance(new[GOOD], old[GOOD]) <= 1e-12
        if distance(elsewhere[0][BAD], before[0][BAD]) > 0:  # the gradient of a translation depends on no theta
            assert not np.isfinite(after[0][BAD]).any()

    @each_poison
    @pytest.mark.parametrize("family", CPABS[::5], ids=name_of)
    def test_vjp_of_cpab_is_nan(self, backend: Backend, family: Cpab, poison: float) -> None:
        """NaN exactly where the gradient depends on what is not finite: a loud failure, not a quiet one."""
        theta, points = draw_theta(family, 3, 4), draw_points(family, (3, 6), 4)
        cotangent = np.random.default_rng(4).standard_normal((3, 6, 2))
        spoilt = theta.copy()
        spoilt[BAD, 0] = poison
        grad_points, grad_theta = (
            backend.to_numpy(g) for g in family.vjp(*(tensor(backend, v) for v in (points, spoilt, cotangent)))
        )
        assert np.isnan(grad_points[BAD]).all()
        assert np.isnan(grad_theta[BAD]).all()
        assert np.isfinite(grad_points[GOOD]).all()
        assert np.isfinite(grad_theta[GOOD]).all()
        points[BAD, BAD_POINT, 1] = poison
        grad_points, grad_theta = (
            backend.to_numpy(g) for g in family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        )
        is_nan = np.zeros((3, 6), bool)
        is_nan[BAD, BAD_POINT] = True
        assert np.array_equal(np.isnan(grad_points), np.stack([is_nan] * 2, axis=-1))
        assert np.isnan(grad_theta[BAD]).all()
        assert np.isfinite(grad_theta[GOOD]).all()

    @each_poison
    @each_padding
    @each_alignment
    @each_family
    def test_warp(
        self, backend: Backend, family: Transformation, poison: float, padding_mode: str, align_corners: bool
    ) -> None:
        """The image is NaN: samplers take NaN for some place in it, which would hide a failed training."""
        theta, images = draw_theta(family, 3, 5), draw_images(3, *pixels_of(family, 3, 4, 5), 2, 5)

        def warp() -> Array:
            result = family.warp(
                image_tensor(backend, images),
                tensor(backend, theta),
                padding_mode=padding_mode,
                align_corners=align_corners,
            )
            return image_array(backend, result)

        before = warp()
        theta[BAD, -1] = poison
        after = warp()
        assert np.isnan(after[BAD]).all()
        assert distance(after[GOOD], before[GOOD]) <= 1e-12

    @each_poison
    @each_dimension
    def test_warp_in_every_dimension(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...], poison: float
    ) -> None:
        """The item alone, also of the nearest pixels."""
        theta, images = draw_theta(family, 3, 7), image_tensor(backend, draw_images(3, *size, 2, 7))
        spoilt = theta.copy()
        spoilt[BAD, 0] = poison
        for mode in ("linear", "nearest"):
            before, after = (
                image_array(backend, family.warp(images, tensor(backend, t), output_size, mode=mode))
                for t in (theta, spoilt)
            )
            assert np.isnan(after[BAD]).all()
            assert distance(after[GOOD], before[GOOD]) <= 1e-12

    @each_poison
    @each_dimension
    def test_gradient_of_warp(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...], poison: float
    ) -> None:
        """NaN for the item's theta, those of the others as they were."""
        needs(backend, "autograd")
        theta, images = draw_theta(family, 3, 8), image_tensor(backend, draw_images(3, *size, 2, 8))
        spoilt = theta.copy()
        spoilt[BAD, 0] = poison
        weights = image_tensor(backend, draw_images(3, *output_size, 2, 9))
        before, after = (
            backend.to_numpy(
                backend.vjp(lambda t: family.warp(images, t, output_size), (tensor(backend, t),), weights)[0]
            )
            for t in (theta, spoilt)
        )
        assert np.isnan(after[BAD]).all()
        assert distance(after[GOOD], before[GOOD]) <= 1e-12

    def test_velocity(self, backend: Backend) -> None:
        """Other items keep theirs."""
        family = Cpab((2, 2))
        theta = draw_theta(family, 3, 6)
        before = backend.to_numpy(family.velocity(tensor(backend, theta)))
        theta[BAD] = np.nan
        after = backend.to_numpy(family.velocity(tensor(backend, theta)))
        assert np.isnan(after[BAD]).all()
        assert distance(after[GOOD], before[GOOD]) <= 1e-12
