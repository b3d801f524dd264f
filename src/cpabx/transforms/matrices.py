"""Parameters that come as matrices."""

from __future__ import annotations

import numpy as np

from cpabx.backend import DTYPES, Backend, Tensor
from cpabx.errors import MatrixError
from cpabx.tracing import kept
from cpabx.transforms.base import Array, frozen

#: How far a last row may be from what it must be: products and inverses of matrices are rounded.
_ROUNDING = {name: 64 * float(np.finfo(name).eps) for name in DTYPES}


def first_rows(backend: Backend, matrices: Tensor, last_row: tuple[int, ...], remedy: str) -> Tensor:
    """(N, n, n + 1), the first rows of homogeneous matrices (N, n + 1, n + 1) whose last is known.

    Raises:
        MatrixError: another last row. Where values are not known, the item becomes NaN.
    """
    n = len(last_row) - 1
    off = matrices[:, n] - backend.constant(_row(last_row), like=matrices)
    square, most = backend.sum(off * off, axis=-1), _ROUNDING[backend.dtype(matrices)] ** 2
    known = backend.known_values(square)
    if known is not None and (known > most).any():
        item = int(np.argmax(known > most))
        rows = backend.known_values(matrices)
        raise MatrixError(
            f"the last row of a homogeneous matrix must be {last_row}",
            f"another in item {item}" if rows is None else f"{tuple(rows[item, n].tolist())} in item {item}",
            remedy,
        )
    nan_or_zero = backend.where(square > most, square * 0 + float("nan"), square * 0)
    return matrices[:, :n] + nan_or_zero[:, None, None]


def inverted(backend: Backend, matrices: Tensor, remedy: str) -> Tensor:
    """(N, m, m), the inverses of matrices, m = 1, 2 or 3, by Cramer's rule.

    Rows are scaled first, so that no size of theirs over- or underflows. Singular is what no longer differs from a
    singular matrix once it is rounded.

    Raises:
        MatrixError: a matrix is singular. Where values are not known, its inverse becomes NaN.
    """
    m = backend.shape(matrices)[-1] or 0
    sizes = backend.sum(backend.where(matrices < 0, -matrices, matrices), axis=-1)
    sizes = backend.where(sizes > 0, sizes, sizes + 1)
    scaled = matrices / sizes[:, :, None]
    cofactors = [[_cofactor(scaled, m, i, j) for j in range(m)] for i in range(m)]
    determinant = scaled[:, 0, :1] * cofactors[0][0]
    for j in range(1, m):
        determinant = determinant + scaled[:, 0, j : j + 1] * cofactors[0][j]
    most = _ROUNDING[backend.dtype(matrices)] / 8
    known = backend.known_values(determinant)
    if known is not None and (np.abs(known) <= most).any():
        item = int(np.argmax(np.abs(known[:, 0]) <= most))
        rows = backend.known_values(matrices)
        raise MatrixError(
            "an inverse needs a matrix that is not singular",
            f"item {item}, a singular one" if rows is None else f"{rows[item].tolist()} in item {item}",
            remedy,
        )
    singular = (determinant <= most) & (determinant >= -most)
    determinant = backend.where(singular, determinant * 0 + float("nan"), determinant)
    adjugate = backend.concat([cofactors[j][i] for i in range(m) for j in range(m)], axis=1)
    return backend.reshape(adjugate / determinant, (-1, m, m)) / sizes[:, None]


def _cofactor(matrices: Tensor, m: int, i: int, j: int) -> Tensor:
    """(N, 1): the signed determinant of matrices (N, m, m) without row i and column j."""

    def entry(row: int, column: int) -> Tensor:
        row, column = (i + row) % m, (j + column) % m
        return matrices[:, row, column : column + 1]

    if m == 1:
        return matrices[:, 0, :1] * 0 + 1
    if m == 2:
        return entry(1, 1) if i == j else -entry(1, 1)
    return entry(1, 1) * entry(2, 2) - entry(1, 2) * entry(2, 1)  # cyclic, which has the sign in it


def without_last(backend: Backend, entries: Tensor) -> Tensor:
    """(N, 8): homographies (N, 9), scaled to a last entry of 1.

    Raises:
        MatrixError: it is 0. Where values are not known, the item becomes NaN.
    """
    last = entries[:, 8:]
    known = backend.known_values(last)
    if known is not None and (known == 0).any():
        raise MatrixError(
            "a homography must have a last entry that is not 0, to be scaled to 1",
            f"0 in item {int(np.argmax(known[:, 0] == 0))}, which takes the origin to infinity",
            "Move the origin, which is the centre of the image, by a translation before it.",
        )
    return entries[:, :8] / last


def pull_back_without_last(entries: Array, grad: Array) -> Array:
    """The gradient of :func:`without_last`, in numpy."""
    last = entries[:, 8:]
    return np.concatenate([grad / last, -(grad * entries[:, :8]).sum(-1, keepdims=True) / last**2], axis=-1)


@kept(8)
def _row(values: tuple[int, ...]) -> Array:
    return frozen(np.array(values, dtype=np.float64))
