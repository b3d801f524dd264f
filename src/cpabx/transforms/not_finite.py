"""Numbers that are not finite make NaN of all results that depend on them, and of no others.

An infinite theta may otherwise give finite coordinates, and one bad coordinate a half-good point. Families whose
``apply`` spreads NaN itself need nothing of this.
"""

from __future__ import annotations

from cpabx.backend import Backend, Tensor


def nan_or_zero(backend: Backend, points: Tensor, theta: Tensor) -> Tensor:
    """(N, P, 1): NaN for items and points with a number that is not finite, and else 0."""
    items = backend.sum(theta * 0, axis=-1)[:, None, None]
    return items + backend.sum(points * 0, axis=-1)[:, :, None]


def with_nan(backend: Backend, moved: Tensor, points: Tensor, theta: Tensor) -> Tensor:
    """(N, P, n) results, NaN for items and points with a number that is not finite."""
    return moved + nan_or_zero(backend, points, theta)


def whole_items(backend: Backend, theta: Tensor) -> Tensor:
    """Theta (N, d), all NaN in items with a number that is not finite: cheaper, where points are finite."""
    return theta + backend.sum(theta * 0, axis=-1)[:, None]
