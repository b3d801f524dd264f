"""The 1,797 handwritten digits that come with scikit-learn: real data without a download."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import MissingPackageError
from cpabx_experiments.data.dataset import Dataset

#: Side of a digit in pixels, enlarged from 8.
SIDE = 28

#: Digits that are never trained on, how often the test set has each, to be distorted in as many ways, and the seed of
#: the draw.
TEST, COPIES, SPLIT_SEED = 500, 3, 1797


def load(part: str) -> Dataset:
    """Digits of 28x28 pixels: 1,297 to train on, or 500 others to test on, all of these three times in a row.

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingPackageError("digits come with scikit-learn", "none", "pip install cpabx-experiments") from error
    small, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    chosen = np.tile(order[:TEST], COPIES) if part == "test" else order[TEST:]
    images = enlarge(small[chosen].reshape(-1, 8, 8) / 16, SIDE)
    return Dataset(f"digits {part}", images[..., None], labels[chosen].astype(np.int64))


def enlarge(images: NDArray[np.float64], size: int) -> NDArray[np.float32]:
    """(N, n, n) to (N, size, size), bilinear, pixels being squares that fill the image."""
    n = images.shape[1]
    position = np.clip((np.arange(size) + 0.5) * n / size - 0.5, 0, n - 1)
    weights = np.maximum(0, 1 - np.abs(position[:, None] - np.arange(n)))
    return np.asarray(weights @ images @ weights.T, np.float32)


__all__ = ["COPIES", "SIDE", "TEST", "enlarge", "load"]
