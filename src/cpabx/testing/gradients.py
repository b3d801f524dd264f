"""Gradients against central differences in float64, to 1e-6 of the largest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.testing.accuracy import oracle
from cpabx.testing.cases import (
    Array,
    draw_images,
    draw_points,
    draw_theta,
    each_alignment,
    each_dimension,
    each_family,
    each_padding,
    image_array,
    image_tensor,
    name_of,
    needs,
    pixels_of,
    tensor,
)

#: Of the largest entry of a gradient: small entries are sums of large ones that cancel.
TOLERANCE = 1e-6

#: Truncation is of the order STEP^2, rounding 1e-16 / STEP. Drawn points lie on no face, and with
#: fixed seeds no trajectory ends within a step of one, where differences are of first order.
STEP = 1e-5


def relative_error(got: Array, expected: Array) -> float:
    assert got.shape == expected.shape
    largest = float(np.max(np.abs(expected)))
    # A constant map's gradient is exactly zero; otherwise there must be something to compare.
    assert largest == 0 or largest > 0.01
    return float(np.max(np.abs(got - expected))) / (largest or 1)


def differences_in_theta(loss: Callable[[Array], Array], theta: Array) -> Array:
    """(N, d) central differences of a loss per batch item, one component for all items at a time."""
    steps = STEP * np.eye(theta.shape[1])
    return np.stack([(loss(theta + h) - loss(theta - h)) / (2 * STEP) for h in steps], axis=-1)


def compare_vjp(backend: Backend, family: Transformation, theta: Array, points: Array, seed: int) -> None:
    """Compare vjp for theta (N, d) and points (N, P, n) with differences of `transform`."""
    cotangent = np.random.default_rng(seed).standard_normal(points.shape)

    def value(p: Array, t: Array) -> Array:
        return np.asarray(cotangent * backend.to_numpy(family.transform(tensor(backend, p), tensor(backend, t))))

    grad_points, grad_theta = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
    expected = differences_in_theta(lambda t: value(points, t).sum((1, 2)), theta)
    assert relative_error(backend.to_numpy(grad_theta), expected) <= TOLERANCE
    steps = STEP * np.eye(family.ndim)
    by_axis = [(value(points + h, theta) - value(points - h, theta)).sum(-1) / (2 * STEP) for h in steps]
    assert relative_error(backend.to_numpy(grad_points), np.stack(by_axis, axis=-1)) <= TOLERANCE


class TestGradients:
    @each_family
    def test_at_random_theta(self, backend: Backend, family: Transformation) -> None:
        """Both gradients, inside the domain and around it."""
        compare_vjp(backend, family, draw_theta(family, 2, 0), draw_points(family, (2, 8), 0), 0)

    @each_family
    def test_at_the_identity(self, backend: Backend, family: Transformation) -> None:
        """Training starts here; other implementations have NaN or nothing."""
        theta = np.tile(family.identity_theta(), (2, 1))
        compare_vjp(backend, family, theta, draw_points(family, (2, 8), 1), 1)

    @each_family
    def test_at_theta_zero(self, backend: Backend, family: Transformation) -> None:
        """Also where that is not the identity (a constant map, in Affine): finite and right."""
        compare_vjp(backend, family, np.zeros((2, family.n_params)), draw_points(family, (2, 8), 2), 2)

    def test_at_control_points(self, backend: Backend) -> None:
        """r^2 log r^2 has slope 0 at r = 0, not NaN."""
        family = ThinPlateSpline()
        compare_vjp(backend, family, draw_theta(family, 1, 3), family.centres[None], 3)

    @pytest.mark.parametrize("boundary", ["free", "sliding", "fixed"])
    def test_at_theta_zero_it_is_the_basis(self, backend: Backend, boundary: str) -> None:
        """dT(x)/d theta_k = v_k(x): exact, from the oracle's field, on faces and vertices too."""
        family = Cpab((3, 2), boundary=boundary)
        points = np.concatenate([family.tessellation.vertices, draw_points(family, (10,), 4)])
        fields = [oracle(family, t) for t in np.eye(family.n_params)]
        for axis in (0, 1):
            cotangent = np.zeros((1, len(points), 2))
            cotangent[..., axis] = np.random.default_rng(4).standard_normal(len(points))
            _, grad = family.vjp(
                tensor(backend, points), tensor(backend, np.zeros((1, family.n_params))), tensor(backend, cotangent)
            )
            expected = [sum(c @ f.velocity(x) for c, x in zip(cotangent[0], points, strict=True)) for f in fields]
            assert relative_error(backend.to_numpy(grad)[0], np.array(expected)) <= 1e-12

    def test_differences_of_the_oracle_agree(self, backend: Backend) -> None:
        """A second route: differences of trajectories that our integrator had no part in."""
        family = Cpab((2, 2))
        theta, points = draw_theta(family, 1, 5), draw_points(family, (4,), 5)
        cotangent = np.random.default_rng(5).standard_normal((1, 4, 2))

        def loss(t: Array) -> Array:
            field = oracle(family, t[0])
            return np.array([sum(c @ field.flow(x) for c, x in zip(cotangent[0], points, strict=True))])

        _, grad = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        assert relative_error(backend.to_numpy(grad), differences_in_theta(loss, theta)) <= TOLERANCE

    @each_family
    def test_shared_points_add_up(self, backend: Backend, family: Transformation) -> None:
        """Gradients come in the shapes of points and theta."""
        theta, points = draw_theta(family, 3, 6), draw_points(family, (5,), 6)
        cotangent = np.random.default_rng(6).standard_normal((3, 5, family.ndim))
        repeated = np.stack([points] * 3)
        each, expected = family.vjp(*(tensor(backend, v) for v in (repeated, theta, cotangent)))
        total = backend.to_numpy(each).sum(0)
        for shared, shape in ((points, points.shape), (points[None], (1, *points.shape))):
            grad_points, grad_theta = family.vjp(*(tensor(backend, v) for v in (shared, theta, cotangent)))
            assert relative_error(backend.to_numpy(grad_points), total.reshape(shape)) <= 1e-12
            assert relative_error(backend.to_numpy(grad_theta), backend.to_numpy(expected)) <= 1e-12

    @each_family
    def test_inputs_stay_as_they_were(self, backend: Backend, family: Transformation) -> None:
        """Neither transform nor vjp writes to its arguments."""
        values = (draw_points(family, (2, 5), 7), draw_theta(family, 2, 7), np.ones((2, 5, family.ndim)))
        given = [tensor(backend, v) for v in values]
        family.transform(*given[:2])
        family.vjp(*given)
        for before, after in zip(values, given, strict=True):
            assert np.array_equal(before, backend.to_numpy(after))


WARPED = (
    Affine(),
    Cpab((2, 2)),
    Composition(Affine(), Cpab((2, 2), boundary="sliding")),
    Affine(ndim=1),
    AffineDiffeo(ndim=3),
    Composition(AffineDiffeo(ndim=1), Cpab(3)),
)


@pytest.mark.parametrize("family", WARPED, ids=name_of)
@each_padding
@each_alignment
class TestGradientsOfWarp:
    def test_through_the_sampler(
        self, backend: Backend, family: Transformation, padding_mode: str, align_corners: bool
    ) -> None:
        """The whole layer: gradients reach theta through grid and sampler, and the images."""
        needs(backend, "autograd")
        size, output_size = pixels_of(family, 3, 5, 6), pixels_of(family, 2, 4, 3)
        theta, images = draw_theta(family, 2, 8), draw_images(2, *size, 2, 8)
        options: dict[str, Any] = {"padding_mode": padding_mode, "align_corners": align_corners}

        def warp(images: Any, theta: Any) -> Any:
            return family.warp(images, theta, output_size, **options)

        given = (image_tensor(backend, images), tensor(backend, theta))
        cotangent = np.random.default_rng(8).standard_normal((2, *output_size, 2))
        grad_images, grad_theta = backend.vjp(warp, given, image_tensor(backend, cotangent))

        def loss(images: Array, theta: Array) -> Array:
            result = warp(image_tensor(backend, images), tensor(backend, theta))
            return np.asarray((cotangent * image_array(backend, result)).reshape(2, -1).sum(-1))

        expected = differences_in_theta(lambda t: loss(images, t), theta)
        assert relative_error(backend.to_numpy(grad_theta), expected) <= TOLERANCE
        # Linear in the images, so the gradient's product with any image is exact.
        other = draw_images(2, *size, 2, 9)
        product = (image_array(backend, grad_images) * other).reshape(2, -1).sum(-1)
        assert relative_error(product, loss(other, theta)) <= 1e-12

    def test_at_the_identity(
        self, backend: Backend, family: Transformation, padding_mode: str, align_corners: bool
    ) -> None:
        """Samples lie exactly on pixels, where interpolation has a kink: one-sided, but finite, not zero."""
        needs(backend, "autograd")
        images = image_tensor(backend, draw_images(2, *pixels_of(family, 3, 5, 6), 2, 10), "float32")
        theta = family.identity(2, backend=backend.name)

        def warp(theta: Any) -> Any:
            return family.warp(images, theta, padding_mode=padding_mode, align_corners=align_corners)

        (grad,) = backend.vjp(warp, (theta,), images)
        assert np.isfinite(backend.to_numpy(grad)).all()
        assert np.abs(backend.to_numpy(grad)).max() > 0.01


class TestGradientsOfWarpInAllDimensions:
    @pytest.mark.parametrize("mode", ["linear", "cubic"])
    @each_padding
    @each_dimension
    def test_of_images_and_theta(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        padding_mode: str,
        mode: str,
    ) -> None:
        """Signals, images and volumes; and where one gradient alone is asked for, it is the same."""
        needs(backend, "autograd")
        theta, images = draw_theta(family, 2, 11), draw_images(2, *size, 2, 11)
        cotangent = np.random.default_rng(11).standard_normal((2, *output_size, 2))
        given, weights = (image_tensor(backend, images), tensor(backend, theta)), image_tensor(backend, cotangent)

        def warp(images: Any, theta: Any) -> Any:
            return family.warp(images, theta, output_size, mode=mode, padding_mode=padding_mode)

        def loss(images: Array, theta: Array) -> Array:
            result = image_array(backend, warp(image_tensor(backend, images), tensor(backend, theta)))
            return np.asarray((cotangent * result).reshape(2, -1).sum(-1))

        grad_images, grad_theta = (backend.to_numpy(g) for g in backend.vjp(warp, given, weights))
        assert relative_error(grad_theta, differences_in_theta(lambda t: loss(images, t), theta)) <= TOLERANCE
        other = draw_images(2, *size, 2, 12)
        layout = backend.to_numpy(image_tensor(backend, other))
        assert relative_error((grad_images * layout).reshape(2, -1).sum(-1), loss(other, theta)) <= 1e-12
        (alone,) = backend.vjp(lambda t: warp(given[0], t), given[1:], weights)
        assert relative_error(backend.to_numpy(alone), grad_theta) <= 1e-12
        (alone,) = backend.vjp(lambda i: warp(i, given[1]), given[:1], weights)
        assert relative_error(backend.to_numpy(alone), grad_images) <= 1e-12

    @each_dimension
    def test_of_nearest_pixels(
        self, backend: Backend, family: Cpab, size: tuple[int, ...], output_size: tuple[int, ...]
    ) -> None:
        """Piecewise constant in theta, so nothing; each result is one pixel, so its gradient goes there."""
        needs(backend, "autograd")
        theta, images = draw_theta(family, 2, 13), draw_images(2, *size, 2, 13)

        def warp(images: Any, theta: Any) -> Any:
            return family.warp(images, theta, output_size, mode="nearest", padding_mode="border")

        given = (image_tensor(backend, images), tensor(backend, theta))
        ones = image_tensor(backend, np.ones((2, *output_size, 2)))
        grad_images, grad_theta = backend.vjp(warp, given, ones)
        assert not backend.to_numpy(grad_theta).any()
        counts = backend.to_numpy(grad_images)
        assert np.array_equal(counts, counts.round())
        assert counts.sum() == 4 * np.prod(output_size)

    @pytest.mark.parametrize(("mode", "padding_mode"), [("linear", "border"), ("linear", "wrap"), ("cubic", "border")])
    @each_dimension
    def test_second_derivatives(
        self,
        backend: Backend,
        family: Cpab,
        size: tuple[int, ...],
        output_size: tuple[int, ...],
        mode: str,
        padding_mode: str,
    ) -> None:
        """Of a loss that is not linear, by theta and the images: differences of the gradient along a direction."""
        needs(backend, "autograd", "double_backward")
        rng = np.random.default_rng(14)
        images, theta = draw_images(2, *size, 2, 14), 0.5 * draw_theta(family, 2, 14)
        along = (rng.standard_normal(images.shape), rng.standard_normal(theta.shape))
        weights = image_tensor(backend, rng.standard_normal((2, *output_size, 2)))

        def gradients(images: Any, theta: Any) -> Any:
            def squared(images: Any, theta: Any) -> Any:
                result = family.warp(images, theta, output_size, mode=mode, padding_mode=padding_mode)
                return result * result

            return backend.vjp(squared, (images, theta), weights)

        given = (image_tensor(backend, images), tensor(backend, theta))
        directions = (image_tensor(backend, along[0]), tensor(backend, along[1]))
        # The matrix of second derivatives is symmetric: its product with a direction is a vjp or a difference.
        for which in (0, 1):
            got = backend.vjp(lambda i, t, k=which: gradients(i, t)[k], given, directions[which])
            moved = [
                gradients(*(x + sign * STEP * directions[k] if k == which else x for k, x in enumerate(given)))
                for sign in (1, -1)
            ]
            for k in (0, 1):
                expected = (backend.to_numpy(moved[0][k]) - backend.to_numpy(moved[1][k])) / (2 * STEP)
                assert relative_error(backend.to_numpy(got[k]), expected) <= TOLERANCE
