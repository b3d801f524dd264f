"""scikit-learn's handwritten digits, enlarged, put somewhere on a canvas, and bent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from protocol import CANVAS, DIGIT, DISTORTION, DISTORTION_SCALE, N_TRAIN, TEST_COPIES

import cpabx

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Digits:
    """Images (N, 42, 42, 1) in [0, 1], float32, and their classes (N,)."""

    images: Array
    classes: Array

    def first(self, n: int | None) -> Digits:
        return Digits(self.images[:n], self.classes[:n])


def enlarge(images: Array, size: int) -> Array:
    """(N, s, s) to (N, size, size), bilinearly, pixel areas aligned."""
    old = images.shape[1]
    position = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(old)))
    return np.asarray(weights @ images @ weights.T)


def place(images: Array, rng: np.random.Generator) -> Array:
    """(N, 28, 28) to (N, 42, 42), each somewhere on an empty canvas."""
    canvas = np.zeros((len(images), CANVAS, CANVAS), np.float32)
    for target, image, (row, column) in zip(
        canvas, images, rng.integers(0, CANVAS - DIGIT + 1, (len(images), 2)), strict=True
    ):
        target[row : row + DIGIT, column : column + DIGIT] = image
    return canvas


def distort(images: Array, seed: int) -> Array:
    """(N, 42, 42) to (N, 42, 42, 1), each by a CPAB transformation of its own."""
    family = cpabx.Cpab(**DISTORTION)
    theta = family.sample(len(images), seed=seed, scale=DISTORTION_SCALE, backend="numpy")
    return np.asarray(family.warp(images[..., None], theta))


def load() -> tuple[Digits, Digits]:
    """Training and test digits, the same in every framework and run."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = enlarge(digits.images / 16, DIGIT)
    order = np.random.default_rng(1797).permutation(len(images))
    parts = (order[:N_TRAIN], np.tile(order[N_TRAIN:], TEST_COPIES))
    return tuple(  # type: ignore[return-value]
        Digits(distort(place(images[part], np.random.default_rng([seed])), seed), digits.target[part])
        for seed, part in enumerate(parts)
    )
