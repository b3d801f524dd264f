"""Real handwritten digits, moved and distorted: the same for every framework, to the bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from protocol import CANVAS, DIGIT, TEST_COPIES, TEST_DIGITS

import cpabx

Array = NDArray[np.float32]

#: What distorts. A sliding border keeps all of a digit on the canvas. 9 cells bend strokes without tearing
#: off their ends, and 0.5 is about as strong as a person can still read.
DISTORTION, STRENGTH = cpabx.Cpab((3, 3), boundary="sliding"), 0.5

#: Seeds of the split and of both sets' distortions, apart from those of the training.
SPLIT_SEED, TRAIN_SEED, TEST_SEED = 1797, 1, 2


@dataclass(frozen=True)
class Digits:
    """Distorted digits.

    Attributes:
        images: (N, 42, 42, 1) in [0, 1].
        labels: (N,) from 0 to 9.
        originals: (N, 28, 28), the digits before.
    """

    images: Array
    labels: NDArray[np.int64]
    originals: Array


def load(train_digits: int | None = None, test_digits: int | None = None) -> tuple[Digits, Digits]:
    """The training and the test set, which have no digit in common; fewer digits if so asked."""
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    originals = enlarge(small.reshape(-1, 8, 8) / 16, DIGIT)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    test, train = order[:TEST_DIGITS][:test_digits], order[TEST_DIGITS:][:train_digits]
    test = np.tile(test, TEST_COPIES)
    return (
        _distorted(originals[train], labels[train], TRAIN_SEED),
        _distorted(originals[test], labels[test], TEST_SEED),
    )


def enlarge(images: NDArray[np.float64], size: int) -> Array:
    """(N, n, n) to (N, size, size), bilinear, pixels being squares that fill the image."""
    n = images.shape[1]
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n)))
    return (weights @ images @ weights.T).astype(np.float32)


def _distorted(originals: Array, labels: NDArray[np.int64], seed: int) -> Digits:
    corners = np.random.default_rng(seed).integers(0, CANVAS - DIGIT + 1, (len(originals), 2))
    canvas = np.zeros((len(originals), CANVAS, CANVAS, 1), np.float32)
    for image, original, (row, column) in zip(canvas, originals, corners, strict=True):
        image[row : row + DIGIT, column : column + DIGIT, 0] = original
    theta = DISTORTION.sample(len(canvas), seed=seed, scale=STRENGTH, backend="numpy")
    return Digits(DISTORTION.warp(canvas, theta), labels, originals)
