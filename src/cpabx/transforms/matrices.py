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
    spoilt = backend.where(square > most, square * 0 + float("nan"), square * 0)
    return matrices[:, :n] + spoilt[:, None, None]


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
