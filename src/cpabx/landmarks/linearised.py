"""What a small change of the velocities does to the landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabx.native import arrays
from cpabx.tessellation import Tessellation

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Rows of the Jacobian that are made at once, each of which takes a copy of the velocities.
_AT_ONCE = 512


@dataclass(frozen=True)
class Linearised:
    """The residuals of landmarks, r - J dV, near some velocities V.

    If there are more residuals than numbers to choose, both sides are multiplied by an orthogonal matrix, and rows of J
    that become zero are left out.

    Attributes:
        touched: (t,) the vertices that matter.
        jacobian: J (m, t, n) at these.
        residual: (m,) r.
        moved: (m,) J V.
        n_others: how many residuals nothing can change.
        others: the sum of their squares.
    """

    touched: Index
    jacobian: Array
    residual: Array
    moved: Array
    n_others: int = 0
    others: float = 0.0


def linearised(points: Array, velocity: Array, residual: Array, tess: Tessellation) -> Linearised:
    """Near velocities (V, n), of points (P, n) that miss their targets by residuals (P, n)."""
    whole = jacobian(points, velocity, tess)
    touched = np.flatnonzero(whole.any(axis=(0, 2)))
    rows = np.ascontiguousarray(whole[:, touched])
    m, t, n = rows.shape
    flat, left = rows.reshape(m, t * n), residual.reshape(-1)
    moved = flat @ velocity[touched].reshape(-1)
    if m <= t * n:
        return Linearised(touched, rows, left, moved)
    k = t * n
    # The orthogonal matrix itself would take most of the time: what it makes of two more columns is all that is asked.
    upper: Array = np.asarray(np.linalg.qr(np.column_stack([flat, moved, left]), mode="r"))
    others = float((upper[k:, k + 1] ** 2).sum())
    return Linearised(touched, upper[:k, :k].reshape(k, t, n), upper[:k, k + 1], upper[:k, k], m - k, others)


def jacobian(points: Array, velocity: Array, tess: Tessellation) -> Array:
    """(P n, V, n): the derivative of T(points), one number after the other, by the velocities at the vertices."""
    n_points, n = points.shape
    out = np.empty((n_points * n, *velocity.shape))
    alone = np.repeat(points, n, axis=0)[:, None]
    cotangents = np.tile(np.eye(n), (n_points, 1))[:, None]
    for first in range(0, len(out), _AT_ONCE):
        part = slice(first, first + _AT_ONCE)
        copies = np.repeat(velocity[None], len(alone[part]), axis=0)
        out[part] = arrays.transform_vjp(alone[part], copies, cotangents[part], tess, 1.0)[1]
    return out
