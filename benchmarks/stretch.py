"""What ``cpabx.stretch.stretch_penalty`` costs and saves: registration of smooth noise, by least squares and LBFGS.

Of a known warp, which is no CPAB map: how far from it the fit is. Of images that have nothing to do with each other,
where nothing but the penalty keeps a fit from tearing: how far it stretches. A minute:
``python benchmarks/stretch.py``.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.ndimage import gaussian_filter

import cpabx
from cpabx.stretch import stretch, stretch_penalty

N, SIZE = 4, 64


def smooth_noise(rng: np.random.Generator) -> torch.Tensor:
    """(N, 1, SIZE, SIZE) in [0, 1], smooth over 3 pixels."""
    values = gaussian_filter(rng.standard_normal((N, 1, SIZE, SIZE)), (0, 0, 3, 3))
    low, high = values.min((2, 3), keepdims=True), values.max((2, 3), keepdims=True)
    return torch.tensor((values - low) / (high - low), dtype=torch.float32)


def known_places(rng: np.random.Generator) -> torch.Tensor:
    """(N, SIZE, SIZE, 2): sums of sines, up to an eighth of the image away."""
    along = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    y, x = np.meshgrid(along, along, indexing="ij")
    moved = [
        np.stack([a * np.sin(2 * y + b) * np.cos(np.pi * x / 2), c * np.cos(2 * x + b) * np.cos(np.pi * y / 2)], -1)
        for a, b, c in rng.uniform(0.05, 0.12, (N, 3))
    ]
    return torch.tensor(np.stack([x, y], -1) + np.stack(moved), dtype=torch.float32)


def fitted(family: cpabx.Cpab, moving: torch.Tensor, fixed: torch.Tensor, weight: float) -> torch.Tensor:
    """Theta that makes ``warp(moving)`` like ``fixed``."""
    theta = torch.zeros(N, family.n_params, requires_grad=True)
    optimizer = torch.optim.LBFGS([theta], max_iter=120, history_size=20, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = ((family.warp(moving, theta, padding_mode="border") - fixed) ** 2).mean((1, 2, 3)).sum()
        if weight:
            loss = loss + stretch_penalty(family, theta, (24, 24), weight=weight).sum()
        loss.backward()
        return torch.as_tensor(loss)

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return theta.detach()


def main() -> None:
    rng = np.random.default_rng(0)
    moving, other, places = smooth_noise(rng), smooth_noise(rng), known_places(rng)
    fixed = torch.nn.functional.grid_sample(moving, places, padding_mode="border", align_corners=False)
    family = cpabx.Cpab((8, 8), boundary="sliding", basis="normalized")
    print("| weight | images | error, px | rmse | areas | largest stretch | folds |")
    for name, target in (("a known warp", fixed), ("unrelated", other)):
        for weight in (0, 1e-4, 1e-3, 1e-2):
            theta = fitted(family, moving, target, weight)
            rmse = ((family.warp(moving, theta, padding_mode="border") - target) ** 2).mean().sqrt()
            error = (family.grid(theta, (SIZE, SIZE)) - places).norm(dim=-1).mean() * SIZE / 2
            found = stretch(family, theta, (SIZE, SIZE))
            print(
                f"| {weight:g} | {name} | {f'{error:.3f}' if target is fixed else ''} | {rmse:.4f} "
                f"| {found.smallest_area.min():.3g} to {found.largest_area.max():.3g} "
                f"| {found.largest_stretch.max():.3g} | {100 * found.folding.mean():.2f} % |"
            )


if __name__ == "__main__":
    main()
