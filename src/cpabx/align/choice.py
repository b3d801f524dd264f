"""Which objective suits the data: by cross-validation over the training series alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.align.model import fitted
from cpabx.align.options import OBJECTIVES, Recipe
from cpabx.errors import DivergenceError, OptionError, shown
from cpabx.options import one_of, whole_number

Array = NDArray[Any]

#: Standard errors by which a candidate must be better than the first to be taken instead: training sets are small.
SURE = 2.0


def chosen_objective(
    series: Array,
    index: NDArray[np.int64],
    recipe: Callable[[str, int], Recipe],
    localization: Any,
    options: Any,
    seed: int,
) -> tuple[str, dict[str, float]]:
    """The first of ``options.candidates``, or one that is surely better, and the accuracies found on the way.

    Better by two standard errors of the difference in how many held-out series are classified correctly. Where the
    first makes so few mistakes that none could be, the others are not looked at; nor are folds of one that could not
    be any more.

    Args:
        series: (N, C, L) in units.
        index: (N,) numbers of classes.
        recipe: makes that of an objective, with a seed.
        localization: as the estimator has it.
        options: has ``candidates`` and ``cv``.
        seed: of the folds and networks.

    Raises:
        OptionError: no candidates, or folds that are none.
    """
    candidates = _candidates(options.candidates)
    folds = whole_number(options.cv)
    if folds is None or folds < 2:
        raise OptionError("cv must be a whole number, 2 or more", shown(options.cv), "For instance 3.")
    counts = np.bincount(index)
    folds = min(folds, int(counts.min()))
    if len(counts) == 1 or folds < 2 or localization is None:
        return "icae", {}
    fold = _stratified(index, folds, seed)
    folds_seen: dict[str, NDArray[np.bool_]] = {}
    right: dict[str, NDArray[np.bool_]] = {}
    for name in candidates:
        own, seen = np.zeros(len(index), bool), np.zeros(len(index), bool)
        for k in range(folds):
            held = fold == k
            own[held] = _right(series, index, held, recipe(name, seed), localization)
            seen |= held
            if right and _advantage(own | ~seen, right[candidates[0]]) < SURE:  # whatever the other folds bring
                break
        right[name], folds_seen[name] = own, seen
        if len(right) == 1 and (~own).sum() < SURE**2:  # nothing can be better for sure
            break
    first, *others = right
    surely = [name for name in others if _advantage(right[name], right[first]) >= SURE]
    best = max(surely, key=lambda name: int(right[name].sum()), default=first)
    return best, {name: float(own[folds_seen[name]].mean()) for name, own in right.items()}


def _right(
    series: Array, index: NDArray[np.int64], held: NDArray[np.bool_], recipe: Recipe, localization: Any
) -> NDArray[np.bool_]:
    """Which of the series held out are classified correctly by a fit of the others; none where that diverges."""
    try:
        quick = dataclasses.replace(recipe, progress=False, steps=-(-recipe.steps // 2))
        model = fitted(series[~held], index[~held], quick, localization)
    except DivergenceError:
        return np.zeros(int(held.sum()), bool)
    return np.asarray(model.distances(series[held]).argmin(axis=1) == index[held])


def _advantage(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> float:
    """By how many standard errors one is right more often than the other on the same series."""
    wins, losses = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    return float((wins - losses) / max(1, wins + losses) ** 0.5)


def _candidates(given: Any) -> tuple[str, ...]:
    if isinstance(given, str) or not given:
        raise OptionError("candidates must be a list of objectives", shown(given), f"Of {', '.join(OBJECTIVES)}.")
    return tuple(one_of("candidates", name, OBJECTIVES) for name in given)


def _stratified(index: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) the fold of each series, every class spread over all of them."""
    order = np.random.default_rng(seed).permutation(len(index))
    order = order[np.argsort(index[order], kind="stable")]
    fold = np.empty(len(index), np.int64)
    fold[order] = np.arange(len(index)) % folds
    return fold
