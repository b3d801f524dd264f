"""Two moons: negative log likelihoods of flows, and times. ``python -m benchmarks.density.moons`` from a clone.

    python -m benchmarks.density.moons [--seeds 0 1 2] [--iterations 300] [--only WORD]

2,000 points of scikit-learn's moons with noise 0.05, standardised and divided by 2.5, and 10,000 others, held out. Both
likelihoods are printed in nats a point; "the truth" is the density that the points were drawn from, which no flow can
be expected to beat on points that it has not seen. Times are the processor's, of one thread, by iteration. zuko, the
library of neural spline flows, takes part where it is installed: ``pip install zuko``.
"""

from __future__ import annotations

import argparse
import importlib
import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

import cpabx
from cpabx.distributions import CPABFlow

NOISE, POINTS, HELD_OUT, DIVISOR = 0.05, 2_000, 10_000, 2.5

Fitted = Callable[[Tensor], Tensor]
Fit = Callable[[Tensor, int], tuple[Fitted, int]]


@dataclass
class Figures:
    """Of one model, by seed."""

    parameters: int = 0
    trained: list[float] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A line of the table."""
        trained, held_out = (f"{statistics.mean(x):7.3f} ({max(x):.3f})" for x in (self.trained, self.held_out))
        per_step = f"{statistics.median(self.milliseconds):8.1f}" if self.milliseconds else "        "
        return f"{name:<42}{self.parameters or '':>8}  {trained:>16}  {held_out:>16}  {per_step}"


def moons(n: int, seed: int) -> np.ndarray[Any, Any]:
    from sklearn.datasets import make_moons

    return np.asarray(make_moons(n, noise=NOISE, random_state=seed)[0])


def truth(points: np.ndarray[Any, Any]) -> float:
    """The mean negative log likelihood of points under the density of the moons, a mean of normal ones along arcs."""
    from scipy.special import logsumexp

    angle = (np.arange(2000) + 0.5) * math.pi / 2000
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    centres = np.concatenate([upper, [1.0, 0.5] - upper])
    total = 0.0
    for part in np.array_split(points, 1 + len(points) // 500):
        squares = ((part[:, None] - centres) ** 2).sum(-1)
        total += logsumexp(-squares / (2 * NOISE**2), axis=1).sum()
    return math.log(len(centres) * 2 * math.pi * NOISE**2) - total / len(points)


def whitened(cells: int, fields: int) -> Fit:
    """Ours, as it is by default."""

    def fit(data: Tensor, iterations: int) -> tuple[Fitted, int]:
        flow = CPABFlow((cells, cells), fields=fields, data=data, backend="torch")
        done = flow.fit(data, iterations=iterations)
        if not done.finished:
            raise RuntimeError(done.message)
        return flow.log_prob, sum(p.numel() for p in flow.parameters())

    return fit


def plain(cells: int, fields: int, rate: float = 0.03) -> Fit:
    """Fields whose theta are the parameters, without a prior: what is badly conditioned."""

    def fit(data: Tensor, iterations: int) -> tuple[Fitted, int]:
        family = cpabx.Cpab((cells, cells), domain=(-2, 2))
        thetas = torch.nn.Parameter(torch.zeros(fields, family.n_params))
        adam = torch.optim.Adam([thetas], lr=rate)
        spread = torch.log(data.std()).item()

        def log_prob(x: Tensor) -> Tensor:
            total = torch.zeros(len(x))
            for theta in thetas:
                total = total + family.log_det_jacobian(x, theta[None])[0]
                x = family.transform(x, theta[None])[0]
            squares = x.square().sum(-1) / math.exp(2 * spread) / 2
            return total - squares - math.log(2 * math.pi) - 2 * spread

        for _ in range(iterations):
            adam.zero_grad()
            torch.autograd.backward(-log_prob(data).mean())
            adam.step()
        return log_prob, thetas.numel()

    return fit


def spline(rate: float, unit: float = DIVISOR) -> Fit:
    """Zuko's neural spline flow, three transforms with two hidden layers of 64, of points times ``unit``."""

    def fit(data: Tensor, iterations: int) -> tuple[Fitted, int]:
        zuko = importlib.import_module("zuko")

        flow = zuko.flows.NSF(2, transforms=3, hidden_features=(64, 64))
        adam = torch.optim.Adam(flow.parameters(), lr=rate)
        for _ in range(iterations):
            adam.zero_grad()
            torch.autograd.backward(-flow().log_prob(data * unit).mean())
            adam.step()
        return lambda x: flow().log_prob(x * unit) + 2 * math.log(unit), sum(p.numel() for p in flow.parameters())

    return fit


MODELS: dict[str, Fit] = {
    "CPABFlow((16, 16)), the default": whitened(16, 3),
    "CPABFlow((12, 12))": whitened(12, 3),
    "CPABFlow((10, 10))": whitened(10, 3),
    "CPABFlow((12, 12), fields=2)": whitened(12, 2),
    "theta itself, one (8, 8) field": plain(8, 1),
    "theta itself, three (8, 8) fields": plain(8, 3),
    "theta itself, one (16, 16) field": plain(16, 1),
    "zuko NSF, rate 1e-3": spline(1e-3),
    "zuko NSF, rate 3e-3": spline(3e-3),
    "zuko NSF, rate 1e-2": spline(1e-2),
    "zuko NSF, rate 1e-2, half as large": spline(1e-2, DIVISOR / 2),
}


def measure(seeds: Iterable[int], iterations: int, only: str) -> None:
    """Prints the table. Models take turns, seed by seed."""
    models = {name: fit for name, fit in MODELS.items() if only in name}
    figures = {name: Figures() for name in models}
    known, failed = Figures(), dict[str, str]()
    for seed in seeds:
        raw, other = moons(POINTS, seed), moons(HELD_OUT, seed + 100)
        mean, deviation = raw.mean(0), raw.std(0) * DIVISOR
        unit = -float(np.log(deviation).sum())
        known.trained.append(truth(raw) + unit)
        known.held_out.append(truth(other) + unit)
        data, unseen = (torch.tensor((x - mean) / deviation, dtype=torch.float32) for x in (raw, other))
        for name, fit in models.items():
            torch.manual_seed(seed)
            try:
                begin = time.process_time()
                log_prob, parameters = fit(data, iterations)
                seconds = time.process_time() - begin
            except Exception as error:  # a row that failed is a row as well
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0][:90]
                continue
            with torch.no_grad():
                own = figures[name]
                own.parameters = parameters
                own.trained.append(-log_prob(data).mean().item())
                own.held_out.append(-log_prob(unseen).mean().item())
                own.milliseconds.append(1e3 * seconds / iterations)
    print(f"{'mean (worst) over seeds':<42}{'numbers':>8}  {'trained on':>16}  {'held out':>16}  ms a step")
    print(known.row("the truth"))
    for name, own in figures.items():
        print(f"{name:<42}{failed[name]}" if name in failed else own.row(name))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--iterations", type=int, default=300)
    parser.add_argument("--only", default="", help="models whose names have this in them")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    measure(chosen.seeds, chosen.iterations, chosen.only)


if __name__ == "__main__":
    main()
