"""Adam on the likelihood of a flow, and how it went."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from cpabx.errors import DivergenceError, RangeError, shown
from cpabx.options import at_least, flag, positive
from cpabx.progress import bar


class Flow(Protocol):
    """What is fitted."""

    white: torch.nn.Parameter
    affine: torch.nn.Parameter

    def log_prob(self, points: Tensor) -> Tensor: ...

    def penalty(self) -> Tensor: ...


@dataclass(frozen=True)
class DensityFit:
    """How a density was fitted."""

    #: Mean negative log likelihood of each step's points, before the step.
    losses: tuple[float, ...]
    #: Whether all steps were done.
    finished: bool
    #: What ended it.
    message: str


def maximise(
    flow: Flow, data: Tensor, iterations: Any, learning_rate: Any, weight: Any, batch_size: Any, *, progress: Any
) -> DensityFit:
    """Fits the parameters of a flow to data that are checked; see :meth:`cpabx_torch.density.CPABFlow.fit`."""
    iterations, rate = at_least(1, "iterations", iterations), positive("learning_rate", learning_rate, or_zero=True)
    weight = positive("weight", weight, or_zero=True) / len(data)
    size = len(data) if batch_size is None else min(at_least(1, "batch_size", batch_size), len(data))
    groups = [{"params": [flow.white], "lr": rate}, {"params": [flow.affine], "lr": rate / 10}]
    adam = torch.optim.Adam(groups, betas=(0.9, 0.99))  # of 0.999, 300 steps would see little but the first ones
    falling = torch.optim.lr_scheduler.LambdaLR(adam, lambda k: (1 + math.cos(math.pi * k / iterations)) / 2)
    losses: list[float] = []
    before = [flow.white.detach().clone(), flow.affine.detach().clone()]
    try:
        with bar(iterations, shown=flag("progress", progress)) as watch:
            for _ in range(iterations):
                points = data if size == len(data) else data[torch.randperm(len(data), device=data.device)[:size]]
                adam.zero_grad()
                loss = -flow.log_prob(points).mean()
                (loss + weight * flow.penalty()).backward()
                losses.append(loss.item())
                if not math.isfinite(losses[-1]):
                    raise DivergenceError("a likelihood must be finite", shown(losses[-1]), "Lower learning_rate.")
                for kept, parameter in zip(before, (flow.white, flow.affine), strict=True):
                    kept.copy_(parameter.detach())
                adam.step()
                falling.step()
                watch(f"negative log likelihood {losses[-1]:.4f}", None)
        return DensityFit(tuple(losses), True, "all steps done")
    except KeyboardInterrupt:
        return DensityFit(tuple(losses), False, "interrupted")
    except (RangeError, DivergenceError) as error:
        with torch.no_grad():
            flow.white.copy_(before[0])
            flow.affine.copy_(before[1])
        advice = "learning_rate or scale is too large, or weight too small"
        return DensityFit(tuple(losses), False, f"diverged at step {len(losses)}: {advice} ({error})")
