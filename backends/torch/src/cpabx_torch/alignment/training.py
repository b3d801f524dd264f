"""Training of a network that aligns series, and of theta without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cpabx import layers
from cpabx.align.options import Recipe
from cpabx.errors import DivergenceError, RangeError
from cpabx.losses import smoothness
from cpabx.priors import VelocityPrior
from cpabx.progress import bar
from cpabx.transforms import Cpab
from cpabx_torch.alignment.objectives import objective

#: Over which velocities of warps are alike, and how fast they are, for maps of [-1, 1].
LENGTH_SCALE, SPEED = 0.5, 0.1


def family_of(cells: int) -> Cpab:
    """Maps of a series to itself, whose ends stay."""
    return Cpab((cells,), boundary="fixed")


def prior_of(family: Cpab) -> VelocityPrior:
    """What is held to be a smooth warp."""
    return VelocityPrior(family, length_scale=LENGTH_SCALE, scale=SPEED)


def features(channels: int, length: int, width: int = 16) -> nn.Sequential:
    """Three convolutions, each of which halves the length, and a layer that is bounded, as large as theta's may be."""

    def block(inputs: int, kernel: int) -> list[nn.Module]:
        convolution = nn.Conv1d(inputs, width, kernel, padding=kernel // 2)
        return [convolution, nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(2, ceil_mode=True)]

    convolutions = [*block(channels, 7), *block(width, 5), *block(width, 3)]
    for _ in range(3):
        length = (length + 1) // 2
    return nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(width * length, 16), nn.Tanh())


def train_network(
    series: Tensor, index: NDArray[np.int64], recipe: Recipe, network: nn.Module | None
) -> tuple[Any, list[float], bool]:
    """A :func:`cpabx.layers.STRecurrent` that is trained on series (N, C, L), the losses, and whether it ended early.

    Raises:
        DivergenceError: the loss is not finite any more.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        shape = tuple(series.shape[1:])
        layer = layers.STRecurrent(
            family_of(recipe.cells),
            recipe.recurrences,
            localization=features(*shape) if network is None else network,
            input_shape=shape,
            padding_mode="border",
            backend="torch",
        ).to(series.device)
        optimizer = torch.optim.AdamW(layer.parameters(), recipe.learning_rate)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, recipe.learning_rate, total_steps=recipe.steps + 1, pct_start=0.2
        )
        prior, parameters = prior_of(family_of(recipe.cells)), list(layer.parameters())

        def step() -> float:
            optimizer.zero_grad()
            theta = layer.theta(series)
            loss = objective(series, theta, layer.transformation, index, recipe)
            if recipe.weight:
                loss = loss + recipe.weight * smoothness(theta, prior)
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            return float(loss.detach())

        losses, ended = repeat(step, recipe)
    return layer.eval(), losses, ended


def repeat(step: Callable[[], float], recipe: Recipe) -> tuple[list[float], bool]:
    """Takes the steps of a recipe; Ctrl-C ends them early, which is the second of the results.

    Raises:
        DivergenceError: a loss is not finite, or a map out of range.
    """
    losses: list[float] = []
    with bar(recipe.steps, shown=recipe.progress) as watch:
        try:
            for _ in range(recipe.steps):
                losses.append(step())
                if not np.isfinite(losses[-1]):
                    raise _diverged(len(losses), f"a loss of {losses[-1]}")
                watch(f"{recipe.objective}, loss {losses[-1]:.4g}", None)
        except KeyboardInterrupt:
            return losses, True
        except RangeError as error:
            raise _diverged(len(losses) + 1, str(error)) from error
    return losses, False


def _diverged(step: int, what: str) -> DivergenceError:
    return DivergenceError(
        "an alignment must stay finite", f"{what} at step {step}", "Lower learning_rate, or raise weight."
    )
