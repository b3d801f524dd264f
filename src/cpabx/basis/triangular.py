"""Dense triangular matrices, by blocks: a third of the work and none of the memory that full ones take."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from cpabx.basis.maps import Array

_BLOCK = 128


def _blocks(n: int) -> Iterator[tuple[int, int]]:
    return itertools.pairwise([*range(0, n, _BLOCK), n])


def inverse_of_lower(lower: Array) -> Array:
    """The inverse of a lower triangular matrix, lower triangular, too."""
    result = np.zeros_like(lower)
    for start, stop in _blocks(len(lower)):
        rows = slice(start, stop)
        diagonal = np.linalg.inv(lower[rows, rows])
        result[rows, rows] = np.tril(diagonal)
        # Columns by blocks, too, since a column of the inverse starts at its diagonal.
        product = np.zeros((stop - start, start))
        for first, last in _blocks(start):
            product[:, first:last] = lower[rows, first:start] @ result[first:start, first:last]
        result[rows, :start] = -diagonal @ product
    return result


def lower_product(a: Array, b: Array) -> Array:
    """The lower triangle of a @ b.T for a lower triangular b; the upper one is zero."""
    result = np.zeros_like(b)
    for start, stop in _blocks(len(b)):
        result[start:, start:stop] = a[start:, :stop] @ b[start:stop, :stop].T
    return np.tril(result)


def subtract_product(a: Array, b: Array) -> None:
    """In place, b -= a @ b, both lower triangular."""
    for start, stop in reversed(list(_blocks(len(b)))):
        change = np.zeros((stop - start, stop))
        for first, last in _blocks(stop):
            change[:, first:last] = a[start:stop, first:stop] @ b[first:stop, first:last]
        b[start:stop, :stop] -= change
