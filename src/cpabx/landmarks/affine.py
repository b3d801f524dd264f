"""The affine map nearest to landmarks, as the flow of a field."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: What the roots of a matrix are taken to, so that seven terms of a series give its logarithm to rounding.
_NEAR_IDENTITY, _MOST_ROOTS, _TERMS = 0.1, 12, 8


def affine_field(source: Array, target: Array, places: Array) -> Array | None:
    """Velocities (V, n) at places of the field whose flow is nearest to source -> target, by least squares.

    Where the sources lie on a line, beside it the identity. None if no real field makes the map, as if it mirrors.
    """
    n = source.shape[1]
    centre, shift = source.mean(axis=0), (target - source).mean(axis=0)
    change = np.linalg.lstsq(source - centre, target - source - shift, rcond=1e-9)[0].T
    matrix = np.eye(n + 1)
    matrix[:n, :n] += change
    matrix[:n, n] = shift - change @ centre
    field = logarithm(matrix)
    return None if field is None else places @ field[:n, :n].T + field[:n, n]


def logarithm(matrix: Array) -> Array | None:
    """The real principal logarithm, by inverse scaling and squaring; None where there is none that can be found."""
    identity = np.eye(len(matrix))
    for roots in range(_MOST_ROOTS):
        if np.abs(matrix - identity).max() < _NEAR_IDENTITY:
            half = np.linalg.solve(matrix + identity, matrix - identity)  # log m = 2 artanh((m - 1) / (m + 1))
            square, power, total = half @ half, half, half
            for k in range(1, _TERMS):
                power = power @ square
                total = total + power / (2 * k + 1)
            return np.asarray(2.0 ** (1 + roots) * total)
        root = _square_root(matrix)
        if root is None:
            return None
        matrix = root
    return None


def _square_root(matrix: Array) -> Array | None:
    """By the iteration of Denman and Beavers (1976), which needs eigenvalues beside the negative real axis."""
    root, inverse = matrix, np.eye(len(matrix))
    try:
        with np.errstate(all="ignore"):
            for _ in range(30):
                root, inverse = (root + np.linalg.inv(inverse)) / 2, (inverse + np.linalg.inv(root)) / 2
    except np.linalg.LinAlgError:
        return None
    return root if np.allclose(root @ root, matrix, rtol=1e-9, atol=1e-12) else None
