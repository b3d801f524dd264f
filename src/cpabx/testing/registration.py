"""``cpabx.register``: maps that are known are found, whatever the loss, and what a mask leaves out has no say."""

from __future__ import annotations

import contextlib
import pickle
from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import CpabxError, OptionError, ShapeError, UnsupportedError
from cpabx.registration.losses import LOSSES, Batch
from cpabx.sampling import pixel_grid
from cpabx.testing.cases import Array, distance, image_array, image_tensor, needs, tensor
from cpabx.testing.nonsense import NONSENSE

#: Of small images: quick, and enough for what is asked here.
OPTIONS: dict[str, Any] = {"levels": [(2,), (4,)], "tolerance": 1e-4, "iterations": 100}
each_loss = pytest.mark.parametrize("loss", LOSSES)


def scene(points: Array) -> Array:
    """(P, 1) smooth brightness at points (P, n) of a few hills with a texture."""
    n = points.shape[1]
    centres = np.array([[-0.5, 0.3, 0.1], [0.35, -0.4, 0.3], [0.2, 0.5, -0.45], [-0.3, -0.45, -0.2]])[:, :n]
    heights, widths = np.array([1.0, 0.8, -0.7, 0.5]), np.array([0.35, 0.3, 0.4, 0.25])
    squares = ((points[:, None] - centres) ** 2).sum(axis=-1)
    texture = 0.3 * np.prod([np.sin((9 - 2 * i) * x + i) for i, x in enumerate(points.T)], axis=0)
    return np.asarray((heights * np.exp(-squares / widths**2)).sum(axis=1, keepdims=True) + texture[:, None])


def pair(ndim: int, size: int = 32, seed: int = 0) -> tuple[Array, Array, Array]:
    """A moving image and a fixed one, (1, *size, 1), and where the map between them takes the pixels (*size, n)."""
    family = cpabx.Cpab((2,) * ndim, boundary="sliding")
    prior = cpabx.VelocityPrior(family, length_scale=1.0, scale=0.16 if ndim == 3 else 0.08)
    theta = prior.sample(1, seed=seed, dtype="float64", backend="numpy")
    points = pixel_grid((size,) * ndim, False, family.domain).points
    moved = np.asarray(family.transform(points, theta))[0]
    shape = (1, *(size,) * ndim, 1)
    return scene(points).reshape(shape), scene(moved).reshape(shape), moved.reshape(*shape[1:-1], ndim)


def options(ndim: int) -> dict[str, Any]:
    return OPTIONS | {"levels": [level * ndim for level in OPTIONS["levels"]]}


def error(backend: Backend, fitted: cpabx.FittedTransformation, truth: Array) -> float:
    """The mean distance in pixels."""
    got = backend.to_numpy(fitted.displacement(truth.shape[:-1]))[0]
    start = pixel_grid(truth.shape[:-1], False, ((-1.0, 1.0),) * truth.shape[-1]).points.reshape(truth.shape)
    return float(np.linalg.norm(got + start - truth, axis=-1).mean() * truth.shape[0] / 2)


class TestRegistration:
    @pytest.fixture(autouse=True)
    def _differentiates(self, backend: Backend) -> None:
        needs(backend, "autograd")

    @pytest.mark.parametrize("ndim", [1, 2, 3])
    def test_known_maps_are_found(self, backend: Backend, ndim: int) -> None:
        """To a fifth of a pixel, where nothing is a pixel or more; the images are then alike."""
        size = 16 if ndim == 3 else 32
        moving, fixed, truth = pair(ndim, size)
        images = image_tensor(backend, moving), image_tensor(backend, fixed)
        fitted = cpabx.register(*images, **options(ndim))
        nothing = pixel_grid((size,) * ndim, False, ((-1.0, 1.0),) * ndim).points.reshape(truth.shape)
        assert error(backend, fitted, truth) < 0.2 < np.linalg.norm(truth - nothing, axis=-1).mean() * size / 2
        warped = image_array(backend, fitted.warp(images[0], padding_mode="border"))
        assert np.mean((warped - fixed) ** 2) < 0.05 * np.mean((moving - fixed) ** 2)
        assert (np.diff([level[0] for level in fitted.loss]) < 0).all() or fitted.loss[-1][0] < 1e-2
        assert fitted.converged.all()
        assert "converged" in fitted.message[0]
        assert (fitted.folding((size,) * ndim) == 0).all()

    @each_loss
    def test_losses_find_it(self, backend: Backend, loss: str) -> None:
        """Those that do not see contrast find it in other contrast, too."""
        moving, fixed, truth = pair(2)
        if loss not in ("mse", "huber"):
            fixed = 0.5 * fixed + 0.3
        images = image_tensor(backend, moving), image_tensor(backend, fixed)
        assert error(backend, cpabx.register(*images, loss=loss, **options(2)), truth) < 0.35

    @each_loss
    def test_gradients_of_losses(self, backend: Backend, loss: str) -> None:
        """By central differences, with and without weights."""
        random = np.random.default_rng(0)
        warped, fixed, direction = random.uniform(0.2, 0.8, (3, 2, 7, 6, 2))
        weights = random.uniform(0.5, 1.5, (2, 7, 6, 1))
        weights /= weights.mean(axis=(1, 2, 3), keepdims=True)
        limits = tensor(backend, np.zeros(2)), tensor(backend, np.ones(2))
        for own in (None, image_tensor(backend, weights)):

            def value(images: Any, own: Any = own) -> Any:
                variance = tensor(backend, np.full(2, 0.1))
                target = image_tensor(backend, fixed)
                return LOSSES[loss](Batch(backend, images, target, own, variance, limits, limits))

            (grad,) = backend.vjp(value, (image_tensor(backend, warped),), tensor(backend, np.array([1.0, 0.5])))
            step = 1e-5
            sides = [
                np.asarray(backend.to_numpy(value(image_tensor(backend, warped + s * step * direction)))) @ [1.0, 0.5]
                for s in (1, -1)
            ]
            along = float((image_array(backend, grad) * direction).sum())
            assert along == pytest.approx((sides[0] - sides[1]) / (2 * step), rel=1e-5, abs=1e-8)

    def test_what_a_mask_leaves_out_has_no_say(self, backend: Backend) -> None:
        """The very same theta, whatever is there."""
        moving, fixed, truth = pair(2)
        mask = np.ones((32, 32))
        mask[8:14, 18:25] = 0
        found = []
        for spoilt in (np.nan, 1e3):
            other = fixed.copy()
            other[:, mask == 0] = spoilt
            images = image_tensor(backend, moving), image_tensor(backend, other)
            fitted = cpabx.register(*images, mask=tensor(backend, mask), **options(2))
            found.append(backend.to_numpy(fitted.theta))
        assert error(backend, fitted, truth) < 0.3
        assert np.array_equal(found[0], found[1])

    def test_items_of_a_batch_are_by_themselves(self, backend: Backend) -> None:
        """As alone, but for rounding; one moving image may serve many fixed ones."""
        pairs = [pair(2, seed=seed) for seed in (0, 1)]
        fixed = np.concatenate([fixed for _, fixed, _ in pairs])
        moving = image_tensor(backend, pairs[0][0])
        both = cpabx.register(moving, image_tensor(backend, fixed), **options(2))
        for i, (_, own, truth) in enumerate(pairs):
            alone = cpabx.register(moving, image_tensor(backend, own), **options(2))
            assert distance(backend.to_numpy(both[i].theta), backend.to_numpy(alone.theta)) < 1e-6
            assert error(backend, both[i], truth) < 0.2

    def test_symmetric_fits_are_inverses(self, backend: Backend) -> None:
        """register(b, a) of register(a, b), to a tenth of what they move."""
        moving, fixed, truth = pair(2)
        a, b = image_tensor(backend, moving), image_tensor(backend, fixed)
        there, back = (cpabx.register(*images, symmetric=True, **options(2)) for images in ((a, b), (b, a)))
        assert error(backend, there, truth) < 0.2
        one, other = (backend.to_numpy(fit.theta) for fit in (there, back))
        assert np.abs(one + other).max() < 0.1 * np.abs(one).max()

    def test_an_affine_map_first(self, backend: Backend) -> None:
        """One that is affine is found by it, and what is fitted after it moves little."""
        points = pixel_grid((32, 32), False, ((-1.0, 1.0),) * 2).points
        matrix, shift = np.array([[0.9, 0.15], [-0.1, 0.95]]), np.array([0.1, -0.05])
        truth = points @ matrix.T + shift
        images = [image_tensor(backend, scene(p).reshape(1, 32, 32, 1)) for p in (points, truth)]
        fitted = cpabx.register(images[0], images[1], affine=True, **options(2))
        assert error(backend, fitted, truth.reshape(32, 32, 2)) < 0.2
        family = fitted.transformation
        assert isinstance(family, cpabx.Composition)
        assert isinstance(family.outer, cpabx.AffineDiffeo)
        assert len(fitted.loss) == 3
        again = cpabx.register(images[0], images[1], init=fitted, **options(2))
        assert error(backend, again, truth.reshape(32, 32, 2)) < 0.2

    def test_starts_from_a_fit(self, backend: Backend) -> None:
        """Which is not made worse, by levels that are as fine, and needs no evaluations to speak of."""
        moving, fixed, truth = pair(2)
        images = image_tensor(backend, moving), image_tensor(backend, fixed)
        first = cpabx.register(*images, **options(2))
        again = cpabx.register(*images, init=first, levels=[(4, 4)], iterations=5)
        assert again.loss[0][0] <= first.loss[-1][0] * (1 + 1e-6)
        assert error(backend, again, truth) < 0.2

    def test_results_are_plain(self, backend: Backend) -> None:
        moving, fixed, _ = pair(2, 16)
        images = image_tensor(backend, moving, "float32"), image_tensor(backend, fixed, "float32")
        fitted = cpabx.register(*images, levels=[(2, 2)], iterations=3)
        assert backend.dtype(fitted.theta) == "float32"
        assert len(pickle.loads(pickle.dumps(fitted))) == 1

    def test_images_that_cannot_be_aligned(self, backend: Backend) -> None:
        """A constant one is said, and moves nothing; NaN, other channels and other numbers of items are errors."""
        moving, fixed, _ = pair(2, 16)
        flat = image_tensor(backend, np.ones_like(fixed))
        images = image_tensor(backend, moving), image_tensor(backend, fixed)
        fitted = cpabx.register(images[0], flat, levels=[(2, 2)], iterations=2)
        assert "the fixed image is constant" in fitted.message[0]
        with pytest.raises(OptionError, match="finite"):
            cpabx.register(image_tensor(backend, moving * np.nan), images[1])
        with pytest.raises(ShapeError, match="channels"):
            cpabx.register(image_tensor(backend, np.repeat(moving, 2, axis=-1)), images[1])
        with pytest.raises(ShapeError, match="one N"):
            cpabx.register(*(image_tensor(backend, np.repeat(x, n, axis=0)) for x, n in ((moving, 2), (fixed, 3))))
        with pytest.raises(ShapeError, match="mask"):
            cpabx.register(*images, mask=np.ones((3, 3)))
        with pytest.raises(OptionError, match="mask"):
            cpabx.register(*images, mask=np.zeros((16, 16)))

    @pytest.mark.parametrize(
        "name",
        [
            *("levels", "loss", "mask", "regularizer", "weight", "areas", "stretching", "affine", "init", "symmetric"),
            *("boundary", "iterations", "tolerance"),
        ],
    )
    def test_nonsense(self, backend: Backend, name: str) -> None:
        """A result, or an error of cpabx."""
        moving, fixed, _ = pair(2, 8)
        images = image_tensor(backend, moving), image_tensor(backend, fixed)
        for value in NONSENSE:
            arguments: dict[str, Any] = {"levels": [(1, 1)], "iterations": 1} | {name: value}
            if callable(value) and name in ("loss", "regularizer"):
                continue  # a function of the user's, whose errors are its own
            with contextlib.suppress(CpabxError):
                cpabx.register(*images, **arguments)


class TestRegistrationWithoutGradients:
    def test_says_what_it_needs(self, backend: Backend) -> None:
        if "autograd" in backend.supports:
            pytest.skip("the backend differentiates")
        with pytest.raises(UnsupportedError, match="differentiates"):
            cpabx.register(*(image_tensor(backend, image) for image in pair(2, 16)[:2]))
