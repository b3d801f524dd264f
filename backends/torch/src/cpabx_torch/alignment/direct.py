"""Alignment without a network: theta of each series by L-BFGS, coarse to fine."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpabx.align.options import Recipe
from cpabx.losses import smoothness
from cpabx_torch.alignment.objectives import objective
from cpabx_torch.alignment.training import family_of, prior_of, repeat

#: Iterations of L-BFGS between two looks at progress.
_EACH = 5


def fit_jointly(series: Tensor, index: NDArray[np.int64], recipe: Recipe) -> tuple[Tensor, list[float], bool]:
    """Theta (N, d) that aligns series (N, C, L) of each class, the losses, and whether it ended early."""

    def loss(theta: Tensor, family: Any) -> Tensor:
        value: Tensor = objective(series, theta, family, index, recipe)
        return value

    return _coarse_to_fine(loss, series, recipe)


def fit_to(series: Tensor, templates: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """Theta (N, d) that aligns series with as many templates, and (N,) mean squares left plus the prior's cost."""

    def each(theta: Tensor, family: Any) -> Tensor:
        warped = family.warp(series, theta, padding_mode="border")
        left: Tensor = ((warped - templates) ** 2).mean(dim=(1, 2))
        return left

    quiet = dataclasses.replace(recipe, progress=False)
    theta, _, _ = _coarse_to_fine(lambda theta, family: each(theta, family).mean(), series, quiet)
    family = family_of(recipe.cells)
    with torch.no_grad():
        cost = (prior_of(family).whiten(theta) ** 2).sum(dim=1) / 2
        return theta, each(theta, family) + recipe.weight * cost


def _coarse_to_fine(
    loss: Callable[[Tensor, Any], Tensor], series: Tensor, recipe: Recipe
) -> tuple[Tensor, list[float], bool]:
    losses: list[float] = []
    theta, family, ended = None, None, False
    for cells in dict.fromkeys((max(2, recipe.cells // 4), recipe.cells)):
        finer = family_of(cells)
        start = series.new_zeros(len(series), finer.n_params) if theta is None else family.refine(theta, finer)  # type: ignore[union-attr]
        theta, family = start, finer
        if ended:
            continue
        theta, own, ended = _minimised(loss, finer, start, recipe)
        losses += own
    assert theta is not None
    return theta, losses, ended


def _minimised(
    loss: Callable[[Tensor, Any], Tensor], family: Any, start: Tensor, recipe: Recipe
) -> tuple[Tensor, list[float], bool]:
    prior = prior_of(family)
    white = prior.whiten(start).detach().requires_grad_()
    optimizer = torch.optim.LBFGS([white], max_iter=_EACH, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        theta = prior.unwhiten(white)
        value = loss(theta, family)
        if recipe.weight:
            value = value + recipe.weight * smoothness(theta, prior)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    steps = max(1, recipe.steps // (2 * _EACH))
    advance: Any = optimizer.step
    losses, ended = repeat(lambda: float(advance(closure).detach()), dataclasses.replace(recipe, steps=steps))
    return prior.unwhiten(white.detach()), losses, ended
