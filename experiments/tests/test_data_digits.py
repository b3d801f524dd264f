"""Scikit-learn's digits: who is trained on, who is tested with, how they are enlarged and distorted."""

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from cpabx.errors import MissingPackageError
from cpabx_experiments import data
from cpabx_experiments.data import digits
from cpabx_experiments.protocol.experiments import changed, protocol
from cpabx_experiments.protocol.jobs import jobs
from cpabx_experiments.protocol.material import material


@pytest.fixture(scope="module")
def both():
    pytest.importorskip("sklearn")
    return data.load("digits", Path(), "train"), data.load("digits", Path(), "test")


@pytest.fixture(scope="module")
def distorted():
    pytest.importorskip("sklearn")
    return of_the_experiment()


def of_the_experiment(**changes):
    chosen = changed(protocol("digits"), **changes)
    return material(chosen, Path("nowhere"))(jobs(chosen)[0])


def test_digits_to_train_on_and_to_test_with_are_others_and_all_there(both):
    train, test = both
    assert train.images.shape == (1297, 28, 28, 1)
    assert test.images.shape == (500 * 3, 28, 28, 1)
    trained = {digit.tobytes() for digit in train.images}
    tested = {digit.tobytes() for digit in test.images}
    assert not trained & tested
    assert len(trained | tested) == 1797


def test_labels_are_those_of_the_digits(both):
    from sklearn.datasets import load_digits

    labelled = {
        digits.enlarge(image[None] / 16, 28).tobytes(): label
        for image, label in zip(*(load_digits()[key] for key in ("images", "target")), strict=True)
    }
    for part in both:
        assert part.labels.dtype == np.int64
        assert [labelled[image.tobytes()] for image in part.images] == part.labels.tolist()


def test_the_split_is_the_same_everywhere(both):
    """Of the labels, which no rounding changes."""
    digests = [hashlib.sha256(part.labels.astype("u1").tobytes()).hexdigest()[:12] for part in both]
    assert digests == ["e245876f391e", "a81b7f8b66b0"]


def test_copies_of_a_test_digit_are_distorted_differently(both, distorted):
    before, after = (part.images.reshape(3, 500, -1) for part in (both[1], distorted.test))
    assert np.array_equal(distorted.before.images, both[1].images)
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert np.array_equal(before[one], before[other])
        assert np.abs(after[one] - after[other]).max(1).min() > 0.2


def test_distortion_keeps_digits_on_the_canvas(both, distorted):
    for before, after in ((both[0], distorted.train), (both[1], distorted.test)):
        assert after.images.shape[1:] == (42, 42, 1)
        assert after.images.min() >= 0
        assert after.images.max() <= 1
        ink = after.images.sum((1, 2, 3)) / before.images.sum((1, 2, 3))
        assert np.all((ink > 0.5) & (ink < 1.5))
        assert ink.mean() == pytest.approx(1, abs=0.05)
        assert ink.std() > 0.05  # they are distorted


def test_fewer_digits_are_a_part_of_all_and_the_test_set_is_the_same(both, distorted):
    part = of_the_experiment(subset=100)
    assert np.bincount(part.train.labels, minlength=10).min() >= 9
    assert np.array_equal(part.test.images, distorted.test.images)


def test_enlarging_keeps_constants_and_orientation():
    np.testing.assert_allclose(digits.enlarge(np.ones((1, 8, 8)), 28), 1, atol=1e-6)
    rows = np.broadcast_to(np.arange(8.0)[:, None], (1, 8, 8))
    enlarged = digits.enlarge(rows, 16)[0]
    np.testing.assert_allclose(enlarged[1:-1, 0], np.arange(0.25, 7, 0.5), atol=1e-6)
    np.testing.assert_allclose(enlarged, enlarged[:, :1] + np.zeros(16), atol=1e-6)


def test_without_scikit_learn_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingPackageError, match=r"scikit-learn.*pip install cpabx-experiments"):
        data.load("digits", Path(), "train")
