"""Pairs of images of known people, formed at random."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError

Indices = NDArray[np.int64]


def form_pairs(
    people: Indices, positive: int, negative: int, seed: int
) -> tuple[Indices, Indices, NDArray[np.float32]]:
    """Left and right indices of images and whether they are of one person, positive ones first.

    Each pair comes once. Both kinds are drawn evenly from all pairs that there are.

    Args:
        people: (M,) who is on each image.
        positive: how many pairs of one person.
        negative: how many pairs of two.
        seed: of the draw.

    Raises:
        OptionError: there are not so many.
    """
    one = _positive_pairs(people)
    different = len(people) * (len(people) - 1) // 2 - len(one)
    for kind, wanted, available in (("one person", positive, len(one)), ("two people", negative, different)):
        if not 0 <= wanted <= available:
            raise OptionError(
                f"these {len(people)} images make {available} pairs of {kind}", f"{wanted} to form", "Form fewer."
            )
    rng = np.random.default_rng(seed)
    chosen = one[rng.choice(len(one), positive, replace=False)] if positive else one[:0]
    left, right = np.concatenate([chosen, _negative_pairs(people, negative, rng)]).T
    return left, right, np.repeat(np.array([1, 0], np.float32), (positive, negative))


def _positive_pairs(people: Indices) -> Indices:
    """(N, 2): all pairs i < j of images of one person."""
    order = np.argsort(people, kind="stable")
    images = np.split(order, np.flatnonzero(np.diff(people[order])) + 1)
    pairs = [group[np.stack(np.triu_indices(len(group), 1), axis=1)] for group in images]
    return np.concatenate(pairs) if pairs else np.zeros((0, 2), np.int64)


def _negative_pairs(people: Indices, wanted: int, rng: np.random.Generator) -> Indices:
    """(wanted, 2): distinct pairs i < j of images of two people, drawn until there are enough."""
    n = len(people)
    codes = np.zeros(0, np.int64)
    while len(codes) < wanted:
        drawn = np.sort(rng.integers(0, n, (2 * wanted, 2)), axis=1)
        drawn = drawn[people[drawn[:, 0]] != people[drawn[:, 1]]]
        codes = np.concatenate([codes, drawn[:, 0] * n + drawn[:, 1]])
        codes = codes[np.sort(np.unique(codes, return_index=True)[1])]  # the first of equal ones, in their order
    return np.stack(np.divmod(codes[:wanted], n), axis=1) if wanted else np.zeros((0, 2), np.int64)


__all__ = ["form_pairs"]
