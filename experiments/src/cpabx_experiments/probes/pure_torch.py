"""CPAB in torch's own operations, differentiated by autograd."""

from __future__ import annotations

import torch
from torch import Tensor

from cpabx import Cpab
from cpabx_experiments.probes.pure import STEPS, check, velocity_maps


class PureCpab:
    """T^theta by :mod:`cpabx_experiments.probes.pure`.

    Args:
        family: 2D, on [-1, 1]^2, continued linearly.
        steps: of time.
        dtype: of points and theta.
    """

    def __init__(self, family: Cpab, steps: int = STEPS, dtype: torch.dtype = torch.float32) -> None:
        self.cells, self.steps = check(family), steps
        self.maps = torch.from_numpy(velocity_maps(family)).to(dtype)

    def __call__(self, points: Tensor, theta: Tensor) -> Tensor:
        """Points (P, 2) by theta (N, d) to (N, P, 2)."""
        flows = self._flows(theta)
        moved = points.expand(len(theta), -1, -1)
        rows = torch.arange(len(theta), device=theta.device)[:, None]
        for _ in range(self.steps):
            step = flows[rows, self._regions(moved)]  # (N, P, 2, 3)
            moved = (step[..., :2] @ moved[..., None])[..., 0] + step[..., 2]
        return moved

    def _flows(self, theta: Tensor) -> Tensor:
        """(N, R, 2, 3) of one step."""
        velocity = torch.einsum("rckd,nd->nrck", self.maps, theta) / self.steps
        zero = torch.zeros_like(velocity[..., :1, :])
        flows: Tensor = torch.linalg.matrix_exp(torch.cat([velocity, zero], dim=-2))
        return flows[..., :2, :]

    def _regions(self, points: Tensor) -> Tensor:
        """(N, P), numbered as in :func:`cpabx_experiments.probes.pure.velocity_maps`."""
        nx, ny = self.cells
        x, y = points.detach().unbind(-1)
        u, v = (x.clamp(-1, 1) + 1) / 2 * nx, (y.clamp(-1, 1) + 1) / 2 * ny
        i, j = u.floor().clamp(max=nx - 1), v.floor().clamp(max=ny - 1)
        p, q = u - i - 0.5, v - j - 0.5
        beside = torch.where(p > 0, 1, 3)
        triangle = torch.where(p.abs() > q.abs(), beside, torch.where(q > 0, 2, 0))
        region = 4 * (j * nx + i).long() + triangle
        corner = 4 * nx * ny + (x > 0).long() + 2 * (y > 0).long()
        return torch.where((x.abs() > 1) & (y.abs() > 1), corner, region)


__all__ = ["PureCpab"]
