"""The two contestants of the speed experiment in torch."""

from __future__ import annotations

import torch

from cpabx import Cpab
from cpabx_experiments.probes.contest import Array, Call, Contestant
from cpabx_experiments.probes.pure_torch import PureCpab


def contestants(family: Cpab, points: Array, theta: Array, steps: int) -> list[Contestant]:
    """Cpabx's exact operation, then the pure one; float32."""
    at, parameters = torch.from_numpy(points), torch.from_numpy(theta).requires_grad_()
    pure = PureCpab(family, steps)

    def contestant(name: str, transform: Call) -> Contestant:
        def forward() -> Array:
            with torch.no_grad():
                return transform(at, parameters).numpy()  # type: ignore[no-any-return]

        def both() -> Array:
            (gradient,) = torch.autograd.grad(transform(at, parameters).sum(), parameters)
            return gradient.numpy()

        return Contestant(name, forward, both)

    return [contestant("cpabx", family.transform), contestant("pure torch operations", pure)]


__all__ = ["contestants"]
