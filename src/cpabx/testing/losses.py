"""Losses of alignments: against loops in numpy, and what must have no influence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cpabx import Cpab, ThinPlateSpline, VelocityPrior, losses
from cpabx.backend import Backend
from cpabx.errors import CpabxError, OptionError, ShapeError
from cpabx.testing.cases import Array, draw_theta, image_array, image_tensor, needs, tensor
from cpabx.testing.complaints import complains

N, L, CHANNELS = 5, 12, 2
LABELS = np.array(["b", "a", "b", "a", "c"])
LENGTHS = [12, 7, 9, 12, 5]
FAMILY = Cpab(4, boundary="fixed", domain=(0, 1))
#: By name: the loss of series and theta, with options.
FORMS: dict[str, Callable[..., Any]] = {
    "variance": lambda series, theta, **options: losses.within_class_variance(series, LABELS, **options),
    "variance_triplet": lambda series, theta, **options: losses.variance_triplet(series, LABELS, **options),
    "icae": lambda series, theta, **options: losses.inverse_consistency(series, theta, FAMILY, LABELS, **options),
    "icae_triplet": lambda series, theta, **options: losses.inverse_consistency_triplet(
        series, theta, FAMILY, LABELS, **options
    ),
}
each_form = pytest.mark.parametrize("form", FORMS)


def _series(seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal((N, L, CHANNELS))


def _theta() -> Array:
    return 0.5 * draw_theta(FAMILY, N, 1)


def _mask() -> Array:
    return (np.random.default_rng(2).random((N, L)) > 0.3).astype(np.float64)


class TestLosses:
    @each_form
    @pytest.mark.parametrize("missing", ["nothing", "masked", "lengths"])
    def test_are_what_loops_find(self, backend: Backend, form: str, missing: str) -> None:
        series, theta = _series(), _theta()
        kinds: dict[str, dict[str, Any]] = {"masked": {"mask": _mask()}, "lengths": {"lengths": LENGTHS}}
        options = kinds.get(missing, {})
        found = FORMS[form](image_tensor(backend, series), tensor(backend, theta), **options)
        expected = _by_loops(form, series, theta, **options)
        assert abs(float(backend.to_numpy(found)) - expected) <= 1e-10 * max(1, expected)

    @each_form
    @pytest.mark.parametrize("missing", ["masked", "lengths"])
    def test_what_is_missing_is_nothing(self, backend: Backend, form: str, missing: str) -> None:
        """Neither NaN nor a number there changes anything, and it has no gradient."""
        needs(backend, "autograd")
        there = _mask() if missing == "masked" else (np.arange(L) < np.array(LENGTHS)[:, None]).astype(np.float64)
        options: dict[str, Any] = {"mask": there} if missing == "masked" else {"lengths": LENGTHS}
        theta, clean = tensor(backend, _theta()), _series()
        poisoned = np.where(there[:, :, None] > 0, clean, np.nan)
        value = FORMS[form](image_tensor(backend, poisoned), theta, **options)
        assert float(backend.to_numpy(value)) == float(
            backend.to_numpy(FORMS[form](image_tensor(backend, clean), theta, **options))
        )
        (grad,) = backend.vjp(lambda s: FORMS[form](s, theta, **options), (image_tensor(backend, poisoned),), value)
        grad = image_array(backend, grad)
        assert not grad[there == 0].any()
        assert np.isfinite(grad).all()
        assert grad[there > 0].any()

    @pytest.mark.parametrize("form", ["icae", "icae_triplet"])
    def test_gradients_of_theta(self, backend: Backend, form: str) -> None:
        """Central differences, which are exact to 1e-6 away from kinks of the interpolation."""
        needs(backend, "autograd")
        series, theta = image_tensor(backend, _series(3)), _theta()

        def loss(given: Any) -> Any:
            return FORMS[form](series, given, lengths=LENGTHS)

        given = tensor(backend, theta)
        value = loss(given)
        (grad,) = backend.vjp(loss, (given,), value / value)
        along, step = np.random.default_rng(4).standard_normal(theta.shape), 1e-7
        plus, minus = (float(backend.to_numpy(loss(tensor(backend, theta + sign * step * along)))) for sign in (1, -1))
        assert abs((backend.to_numpy(grad) * along).sum() - (plus - minus) / (2 * step)) <= 1e-5

    def test_of_series_that_are_alike(self, backend: Backend) -> None:
        """Copies that are not warped have no loss; triplets of classes alike have the margin."""
        copies = image_tensor(backend, np.repeat(_series()[:1], N, axis=0))
        theta = tensor(backend, np.zeros((N, FAMILY.n_params)))
        for form, expected in (("variance", 0), ("icae", 0), ("variance_triplet", 0.7), ("icae_triplet", 0.7)):
            options = {"margin": 0.7} if "triplet" in form else {}
            assert abs(float(backend.to_numpy(FORMS[form](copies, theta, **options))) - expected) <= 1e-12

    def test_smoothness_is_the_log_density_but_for_a_constant(self, backend: Backend) -> None:
        """Of maps in a row the sum."""
        prior, theta = VelocityPrior(FAMILY, length_scale=0.4), _theta()
        own = float(backend.to_numpy(losses.smoothness(tensor(backend, theta), prior)))
        density = prior.log_density(np.zeros_like(theta)) - prior.log_density(theta)
        assert abs(own - density.mean()) <= 1e-9 * own
        twice = losses.smoothness(tensor(backend, np.concatenate([theta, theta], axis=1)), prior)
        assert abs(float(backend.to_numpy(twice)) - 2 * own) <= 1e-9 * own

    def test_arguments_that_do_not_fit(self, backend: Backend) -> None:
        series, theta = image_tensor(backend, _series()), tensor(backend, _theta())
        spline = ThinPlateSpline((2, 2))
        wrong: list[tuple[type[CpabxError], str, Callable[[], Any]]] = [
            (ShapeError, "labels must be", lambda: losses.within_class_variance(series, LABELS[1:])),
            (ShapeError, "mask must be", lambda: losses.within_class_variance(series, mask=np.ones((N, L + 1)))),
            (ShapeError, "series must be", lambda: losses.within_class_variance(theta)),
            (OptionError, "lengths must be", lambda: losses.within_class_variance(series, lengths=[L + 1] * N)),
            (OptionError, "two classes", lambda: losses.variance_triplet(series, [1] * N)),
            (OptionError, "margin must be", lambda: losses.variance_triplet(series, LABELS, margin=-1)),
            (ShapeError, "theta must be", lambda: losses.inverse_consistency(series, theta[1:], FAMILY)),
            (OptionError, "in 1D", lambda: losses.inverse_consistency(series, theta, spline)),
            (OptionError, "prior must be", lambda: losses.smoothness(theta, FAMILY)),  # type: ignore[arg-type]
            (
                ShapeError,
                "theta must be",
                lambda: losses.smoothness(theta[:, :2], VelocityPrior(FAMILY, length_scale=1)),
            ),
        ]
        for error, words, call in wrong:
            with complains(error, match=words):
                call()


def _by_loops(form: str, series: Array, theta: Array, mask: Any = None, lengths: Any = None) -> float:
    """The definition, one series after the other."""
    weights = np.ones((N, L)) if mask is None else np.array(mask)
    sizes = [L] * N if lengths is None else lengths
    for i, size in enumerate(sizes):
        weights[i, size:] = 0
    classes = np.unique(LABELS)
    consistent = form.startswith("icae")
    aligned, counted = series.copy(), weights.copy()
    if consistent:
        for i, size in enumerate(sizes):
            one: dict[str, Any] = {"theta": theta[i : i + 1], "output_size": (L,), "padding_mode": "border"}
            own = weights[i, :size, None]
            counted[i] = FAMILY.warp(own[None], **one)[0, :, 0]
            aligned[i] = FAMILY.warp((series[i, :size] * own)[None], **one)[0]
            aligned[i] /= np.where(counted[i] > 0, counted[i], 1)[:, None]
    squares = np.zeros((N, len(classes)))
    for k, label in enumerate(classes):
        share = counted[label == LABELS][:, :, None]
        total = share.sum(0)
        mean = (aligned[label == LABELS] * share).sum(0) / np.where(total > 0, total, 1)
        for i, size in enumerate(sizes):
            back = mean[:size]
            if consistent:
                options: dict[str, Any] = {"padding_mode": "border", "inverse": True}
                back = FAMILY.warp(mean[None], theta[i : i + 1], (size,), **options)[0]
            w = weights[i, :size, None]
            squares[i, k] = (w * (series[i, :size] - back) ** 2).sum() / (w.sum() * CHANNELS)
    own = squares[np.arange(N), np.searchsorted(classes, LABELS)]
    if not form.endswith("triplet"):
        return float(own.mean())
    short = np.maximum(own[:, None] - squares + 1, 0)
    short[np.arange(N), np.searchsorted(classes, LABELS)] = 0
    return float(short.sum() / (N * (len(classes) - 1)))
