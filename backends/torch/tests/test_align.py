"""The estimator that aligns series: what it finds, what it leaves alone, and scikit-learn's conventions."""

import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

import cpabx
from cpabx.errors import OptionError, ShapeError

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.pipeline import make_pipeline  # noqa: E402
from sklearn.preprocessing import FunctionTransformer  # noqa: E402
from sklearn.utils.estimator_checks import check_estimator  # noqa: E402

from cpabx.align import TimeSeriesAligner  # noqa: E402

WARPS = cpabx.Cpab((4,), boundary="fixed")


def waves(n=20, length=60, seed=0):
    """Two classes that differ in a small bump, in time that goes at random: the mean of each is a blur."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    theta = 0.3 * rng.standard_normal((n, WARPS.n_params))
    t = (WARPS.grid(theta, (length,))[:, :, 0] + 1) / 2
    x = np.exp(-(((t - 0.35) / 0.06) ** 2)) - np.exp(-(((t - 0.7) / 0.06) ** 2))
    return x + 0.5 * y[:, None] * np.exp(-(((t - 0.5) / 0.04) ** 2)), np.array(["plain", "bump"])[y]


def spread(x, y):
    return float(np.mean([x[y == k].var(axis=0).mean() for k in np.unique(y)]))


@pytest.fixture(scope="module")
def fitted():
    x, y = waves(40)
    return TimeSeriesAligner(objective="icae+triplet", steps=80, random_state=0).fit(x, y)


def test_aligns_and_classifies_series_that_it_has_not_seen(fitted):
    """Better than the means of what is not aligned, of which it is a fact that they fail here."""
    x, y = waves(60, seed=1)
    train, labels = waves(40)
    means = np.stack([train[labels == k].mean(axis=0) for k in fitted.classes_])
    blurred = fitted.classes_[((x[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)]
    assert (blurred == y).mean() <= 0.8
    assert fitted.score(x, y) >= 0.9
    assert spread(fitted.transform(x), y) <= 0.3 * spread(x, y)


def test_barycentres_are_the_means_of_aligned_series(fitted):
    x, y = waves(40)
    aligned = fitted.transform(x)
    expected = np.stack([aligned[y == k].mean(axis=0) for k in fitted.classes_])
    np.testing.assert_allclose(fitted.barycenters_, expected, atol=1e-9)
    assert list(fitted.classes_) == ["bump", "plain"]


def test_theta_and_the_way_back(fitted):
    """Aligned series are the warp by theta; its inverse gives the originals, but for interpolation."""
    x, _ = waves(6, seed=2)
    theta = fitted.theta(x)
    warped = fitted.transformation_.warp(x[:, :, None], theta, padding_mode="border")[:, :, 0]
    np.testing.assert_allclose(fitted.transform(x), warped, atol=1e-9)
    back = fitted.inverse_transform(fitted.transform(x), theta)
    assert np.abs(back - x).mean() <= 0.02
    with pytest.raises(ShapeError, match="theta must be"):
        fitted.inverse_transform(x, theta[:2])


def test_units_do_not_matter():
    """A thousand times as large and elsewhere, with the same warps."""
    x, y = waves(12)
    one, other = (TimeSeriesAligner(objective="icae+triplet", steps=15, random_state=0) for _ in range(2))
    own, scaled = one.fit(x, y).theta(x), other.fit(1000 * x + 7, y).theta(1000 * x + 7)
    np.testing.assert_allclose(own, scaled, atol=1e-4)
    np.testing.assert_allclose(1000 * one.barycenters_ + 7, other.barycenters_, atol=0.1)


@pytest.mark.parametrize("localization", ["cnn", None], ids=str)
def test_channels_and_seeds(localization):
    x, y = waves(10)
    both = np.stack([x, -2 * x], axis=2)
    options = {"localization": localization, "objective": "icae", "steps": 20, "random_state": 3}
    first, second = (TimeSeriesAligner(**options).fit(both, y) for _ in range(2))
    assert first.barycenters_.shape == (2, 60, 2)
    assert first.transform(both.astype("float32")).dtype == np.float32
    np.testing.assert_array_equal(first.barycenters_, second.barycenters_)
    np.testing.assert_allclose(first.barycenters_[..., 1], -2 * first.barycenters_[..., 0], atol=1e-9)
    with pytest.raises(ShapeError, match="X must have 3 axes and 2 channels"):
        first.transform(both[:, :, :1])


def test_without_a_network():
    """Each new series is aligned to its nearest barycentre."""
    x, y = waves()
    aligner = TimeSeriesAligner(localization=None, steps=100).fit(x, y)
    assert aligner.objective_ == "icae"
    others, truth = waves(20, seed=1)
    assert spread(aligner.transform(others), truth) <= 0.5 * spread(others, truth)
    assert aligner.score(others, truth) >= 0.8


def test_missing_samples():
    """NaN at the end is padding, of a series that is shorter; NaN elsewhere is interpolated."""
    x, y = waves(12)
    aligner = TimeSeriesAligner(objective="icae", steps=10, random_state=0).fit(x, y)
    ramp = np.linspace(0, 1, 60)
    holes, padded = np.stack([ramp] * 2), np.full((2, 60), np.nan)
    holes[0, 20:23] = np.nan
    padded[:, :30] = (ramp[::2] + ramp[1::2]) / 2  # half as many samples, of the same function of time
    expected = aligner.transform(np.stack([ramp] * 2))
    np.testing.assert_allclose(aligner.transform(holes), expected, atol=1e-6)
    np.testing.assert_allclose(aligner.transform(padded)[:, 2:-2], expected[:, 2:-2], atol=0.01)
    with pytest.raises(ShapeError, match="a number in each channel"):
        aligner.transform(np.full((1, 60), np.nan))
    with pytest.raises(ValueError, match="infinity"):
        aligner.transform(np.full((1, 60), np.inf))


def test_constant_series():
    """Have nothing to align, and stay what they are."""
    aligner = TimeSeriesAligner(objective="icae", steps=3, random_state=0).fit(np.full((4, 20), 5.0))
    np.testing.assert_allclose(aligner.barycenters_, 5.0)
    assert (aligner.predict(np.full((2, 20), 5.0)) == aligner.classes_[0]).all()


def test_the_objective_is_chosen_on_training_series_alone(monkeypatch):
    """The first where others are not surely better; folds are not looked at that could not change it."""
    from cpabx.align import choice

    looks = []

    def right(series, index, held, recipe, localization):
        looks.append(recipe.objective)
        share = {"triplet": 0.2, "icae": 1.0, "variance": 0.0, "none": 0.9}[recipe.objective]
        return np.arange(held.sum()) < share * held.sum()

    monkeypatch.setattr(choice, "_right", right)
    x, y = waves(40)
    options = {"steps": 1, "random_state": 0}
    chosen = TimeSeriesAligner(candidates=("triplet", "variance", "none", "icae"), **options).fit(x, y)
    assert chosen.objective_ == "icae"
    assert looks == ["triplet"] * 3 + ["variance"] * looks.count("variance") + ["none"] * 3 + ["icae"] * 3
    assert looks.count("variance") < 3
    looks.clear()
    assert TimeSeriesAligner(candidates=("icae", "none"), **options).fit(x, y).objective_ == "icae"
    assert looks == ["icae"] * 3
    assert TimeSeriesAligner(candidates=("none", "icae"), **options).fit(x, y).objective_ == "none"  # not surely
    assert TimeSeriesAligner(**options).fit(x).objective_ == "icae"  # one class


def test_better_than_the_first_by_two_standard_errors():
    from cpabx.align.choice import _advantage

    right, wrong = np.ones(20, bool), np.zeros(20, bool)
    assert _advantage(right, wrong) == pytest.approx(20**0.5)
    assert _advantage(np.arange(20) < 3, wrong) < 2 <= _advantage(np.arange(20) < 4, wrong)
    assert _advantage(right, right) == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"objective": "dtw"}, "objective"),
        ({"candidates": ()}, "candidates"),
        ({"candidates": ("dtw",)}, "candidates"),
        ({"cv": 1}, "cv must be"),
        ({"cells": 1}, "cells must be"),
        ({"steps": 0}, "steps must be"),
        ({"recurrences": 1.5}, "recurrences must be"),
        ({"learning_rate": 0}, "learning_rate must be"),
        ({"margin": -1}, "margin must be"),
        ({"weight": float("nan")}, "weight must be"),
        ({"localization": "rnn"}, "localization must be"),
    ],
    ids=str,
)
def test_options_that_do_not_exist(options, words):
    x, y = waves(6)
    with pytest.raises(OptionError, match=words):
        TimeSeriesAligner(**options).fit(x, y)


def test_a_network_of_ones_own():
    """Features of series (N, C, L), which is copied: what is given stays untrained."""
    import torch

    x, y = waves(8)
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(60, 4), torch.nn.Tanh())
    before = network[1].weight.clone()
    aligner = TimeSeriesAligner(localization=network, objective="icae", steps=5, random_state=0).fit(x, y)
    assert aligner.loss_curve_[-1] < aligner.loss_curve_[0]
    assert torch.equal(before, network[1].weight)


def test_ctrl_c_keeps_what_there_is(monkeypatch):
    from cpabx_torch.alignment import training

    calls = []

    def objective(*arguments):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    original = training.objective
    monkeypatch.setattr(training, "objective", objective)
    x, y = waves(8)
    aligner = TimeSeriesAligner(objective="icae", steps=10, random_state=0).fit(x, y)
    assert aligner.interrupted_
    assert len(aligner.loss_curve_) == 3
    assert np.isfinite(aligner.transform(x)).all()


def test_pickles_clones_and_pipelines(fitted):
    x, y = waves(6, seed=5)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(x), fitted.transform(x))
    assert clone(fitted).get_params() == fitted.get_params()
    pipeline = make_pipeline(FunctionTransformer(), TimeSeriesAligner(objective="icae", steps=2, random_state=0))
    assert pipeline.fit(x, y).predict(x).shape == (6,)


#: What scikit-learn asks of estimators and this one does not do, and why.
EXCEPTIONS = {"cnn": {}, None: {"check_methods_subset_invariance": "series are aligned together, by one line search"}}


@pytest.mark.parametrize("localization", EXCEPTIONS, ids=str)
def test_check_estimator(localization):
    objective, steps = ("icae", 3) if localization else ("auto", 10)
    aligner = TimeSeriesAligner(localization=localization, objective=objective, steps=steps, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(aligner, expected_failed_checks=EXCEPTIONS[localization], on_skip=None)
    assert len(results) > 40
    assert {result["check_name"] for result in results if result["status"] == "xfail"} == set(EXCEPTIONS[localization])


def test_pictures(fitted):
    pytest.importorskip("matplotlib").use("Agg")
    x, y = waves(6, seed=6)
    ax = fitted.plot_barycenters(x, y)
    assert len(ax.lines) == 6 + 2
    assert fitted.plot_barycenters(ax=ax) is ax
    assert len(fitted.plot_warps(x).lines) == 6 + 1
    with pytest.raises(OptionError, match="channel must be"):
        fitted.plot_barycenters(channel=1)


def test_is_loaded_on_use():
    """``import cpabx`` and ``import cpabx.align`` load neither torch nor scikit-learn."""
    code = "import sys, cpabx.align; assert not {'torch', 'sklearn'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("objective", ["triplet", "icae+triplet"])
@pytest.mark.parametrize("y", [None, np.zeros(6, int)], ids=["no classes", "one class"])
def test_triplets_of_one_class(objective, y):
    """There is nothing to compare it with: what is said is not that the optimisation diverged."""
    with pytest.raises(OptionError, match="two or more"):
        TimeSeriesAligner(objective=objective, steps=1).fit(waves(6)[0], y)


def test_lists_of_series_of_several_lengths():
    """What to append is said, where numpy would speak of inhomogeneous shapes."""
    x, y = waves(6)
    ragged = [one[: 50 + i] for i, one in enumerate(x)]
    with pytest.raises(ShapeError, match=r"50 to 55 samples\. Append NaN"):
        TimeSeriesAligner(objective="icae", steps=1).fit(ragged, y)
    aligner = TimeSeriesAligner(objective="none").fit([list(one) for one in x], y)
    with pytest.raises(ShapeError, match="Append NaN"):
        aligner.predict(ragged)
