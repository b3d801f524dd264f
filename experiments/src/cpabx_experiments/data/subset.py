"""Parts of a data set, drawn by seed: the same in every run and every framework."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError
from cpabx_experiments.data.dataset import Array, Dataset, Pairs

Data = TypeVar("Data", Dataset, Pairs)
Indices = NDArray[np.int64]


def subset(data: Data, n: int, seed: int) -> Data:
    """N images or pairs, drawn without replacement, in their order in the whole.

    Classes, or pairs of one and of two people, keep their shares to within one image; attributes do not count as
    classes. All of the data, if n is their number.

    Raises:
        OptionError: there are not so many, or n is less than 1.
    """
    return data.take(np.sort(_drawn(data, n, seed)))


def split(data: Data, n: int, seed: int) -> tuple[Data, Data]:
    """The rest and n images or pairs, drawn as in :func:`subset`: to train and to validate with.

    Raises:
        OptionError: there are not more than n, or n is less than 1.
    """
    if n >= len(data):
        raise OptionError(f"a part of {len(data)} must leave some for the rest", f"{n}", "Draw fewer.")
    drawn = np.sort(_drawn(data, n, seed))
    return data.take(np.setdiff1d(np.arange(len(data)), drawn)), data.take(drawn)


def first(data: Data, n: int) -> Data:
    """The first n images or pairs.

    Raises:
        OptionError: there are not so many, or n is less than 1.
    """
    return data.take(np.arange(_checked(data, n)))


def _drawn(data: Dataset | Pairs, n: int, seed: int) -> Indices:
    rng = np.random.default_rng(seed)
    groups = _groups(data.labels if isinstance(data, Dataset) else data.same)
    shares = _shares(np.array([len(group) for group in groups]), _checked(data, n))
    return np.concatenate([rng.permutation(group)[:share] for group, share in zip(groups, shares, strict=True)])


def _groups(labels: Array) -> list[Indices]:
    if labels.ndim > 1:
        return [np.arange(len(labels))]
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


def _shares(sizes: Indices, n: int) -> Indices:
    """Whole numbers with sum n, each within 1 of its part of n; the largest remainders are rounded up."""
    exact = sizes * n
    shares: Indices = exact // sizes.sum()
    remainders = exact % sizes.sum()
    shares[np.argsort(-remainders, kind="stable")[: n - shares.sum()]] += 1
    return shares


def _checked(data: Dataset | Pairs, n: int) -> int:
    if not 1 <= n <= len(data):
        raise OptionError(f"a part of {data.name} has 1 to {len(data)} items", repr(n), "Choose such a number.")
    return n


__all__ = ["first", "split", "subset"]
