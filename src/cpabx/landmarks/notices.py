"""What is noteworthy about landmarks: contradictions, folds, lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: How many landmarks a notice names.
_NAMED = 6
#: Neighbours of more landmarks are not looked for: their distances would take too much memory.
_MOST_COMPARED = 2000
#: The least determinant of a simplex that has a direction, as a share of the product of its edges.
_WELL_SHAPED = 0.2
#: Of the edges of such a simplex, by which targets are missed; and areas that are as good as none: where neither is
#: there, the map has found a way through.
_MISSED, _FLAT = 0.05, 0.02


def notices(source: Array, target: Array, distances: Array, areas: Array) -> list[str]:
    """In words, for people.

    Args:
        source: (P, n).
        target: (P, n).
        distances: (P,) by which the map misses targets.
        areas: (P,) determinants of its Jacobian at the sources.
    """
    return [*_contradictions(source, target), *_folds(source, target, distances, areas), *_lines(source)]


def _contradictions(source: Array, target: Array) -> Iterator[str]:
    """Landmarks that no map can pass through, and no invertible one."""
    for one, other, names in ((source, target, "source|targets"), (target, source, "target|sources")):
        groups = [group for group in _equal(one) if np.ptp(other[group], axis=0).max() > 0]
        if groups:
            which = "; ".join(listed(group) for group in groups[:3]) + ("; and others" if len(groups) > 3 else "")
            same, different = names.split("|")
            yield f"contradicting landmarks ({which}): one {same}, different {different}, of which none is reached"


def _equal(places: Array) -> list[NDArray[np.int64]]:
    """Groups of the same places."""
    _, group, count = np.unique(places, axis=0, return_inverse=True, return_counts=True)
    return [np.flatnonzero(group.reshape(-1) == i) for i in np.flatnonzero(count > 1)]


def _folds(source: Array, target: Array, distances: Array, areas: Array) -> Iterator[str]:
    """Neighbours whose targets lie the other way round, if the map does not get round that."""
    simplices = _neighbours(source)
    before, after = _orientation(source, simplices), _orientation(target, simplices)
    has_direction = (np.abs(before) > _WELL_SHAPED) & (np.abs(after) > _WELL_SHAPED)
    turned = has_direction & (before * after < 0)
    if len(simplices) > 1 and turned.sum() > 0.8 * has_direction.sum():
        yield "targets are the mirror image of sources, which no diffeomorphism near the identity makes"
        return
    edges = np.linalg.norm(target[simplices[:, 1:]] - target[simplices[:, :1]], axis=2).min(axis=1, initial=np.inf)
    is_missed = distances[simplices].max(axis=1, initial=0) > _MISSED * edges
    is_flat = areas[simplices].min(axis=1, initial=np.inf) < _FLAT
    turned &= is_missed | is_flat
    if turned.any():
        where = listed(np.unique(simplices[turned]))
        yield f"a fold in the data at landmarks {where}: their targets lie the other way round than their sources"


def _neighbours(source: Array) -> NDArray[np.int64]:
    """(S, n + 1) landmarks that are near each other."""
    n_points, n = source.shape
    if n == 1:
        order = np.argsort(source[:, 0], kind="stable")
        return np.stack([order[:-1], order[1:]], axis=1)
    if not n < n_points <= _MOST_COMPARED:
        return np.zeros((0, n + 1), np.int64)
    squares = sum((x[:, None] - x) ** 2 for x in source.T)
    np.fill_diagonal(squares, np.inf)
    nearest = np.argsort(np.where(squares == 0, np.inf, squares), axis=1, kind="stable")[:, :n]
    return np.concatenate([np.arange(n_points)[:, None], nearest], axis=1)


def _orientation(points: Array, simplices: NDArray[np.int64]) -> Array:
    """(S,): determinants of the edges of simplices from their first corners, of length 1."""
    edges = points[simplices[:, 1:]] - points[simplices[:, :1]]
    lengths = np.linalg.norm(edges, axis=2, keepdims=True)
    return np.asarray(np.linalg.det(edges / np.where(lengths > 0, lengths, 1)))


def _lines(source: Array) -> Iterator[str]:
    centred = source - source.mean(axis=0)
    rank = int(np.linalg.matrix_rank(centred, tol=1e-6 * max(np.abs(centred).max(initial=0), 1e-300) * len(source)))
    if rank < source.shape[1]:
        where = ("at one place", "on a line", "in a plane")[rank]
        yield f"all sources lie {where}: what is beside it goes along as the prior has it"


def listed(landmarks: Iterable[int]) -> str:
    """Numbers of landmarks, not too many of them."""
    numbers = [str(int(i)) for i in landmarks]
    if len(numbers) > _NAMED:
        return ", ".join(numbers[:_NAMED]) + f" and {len(numbers) - _NAMED} more"
    return " and ".join([", ".join(numbers[:-1]), numbers[-1]] if len(numbers) > 1 else numbers)
