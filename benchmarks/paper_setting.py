"""cpabx beside PyPI's libcpab: the same fields, the same points, one thread, in one run.

    python benchmarks/paper_setting.py [--rounds 7] [--json FILE]

2D is the paper's setting: batch 100, 42 x 42 points, tessellation [4, 4] with a free boundary (d = 58); 3D is
batch 4, 32 x 32 x 32 points, [2, 2, 2]. float32. theta is drawn from N(0, 1) in the peer's own basis, and
scaled to a mean displacement. Times are medians of alternating runs. Errors are against an integrator
that shares nothing with either (cpabx.testing.oracle_nd). Displacements and errors are in units of the domain.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cpabx
from cpabx.testing.oracle_nd import OracleND

N_TRUTH = 400


@dataclass(frozen=True)
class Setting:
    cells: tuple[int, ...]
    batch: int
    side: int
    displacement: float

    @property
    def points(self) -> torch.Tensor:
        """(side ** n, n) points of a regular grid, x fastest."""
        axes = [torch.linspace(0, 1, self.side)] * len(self.cells)
        return torch.stack(torch.meshgrid(*axes, indexing="ij")[::-1], dim=-1).reshape(-1, len(self.cells))


SETTINGS = (
    *(Setting((4, 4), 100, 42, displacement) for displacement in (0.02, 0.05, 0.15)),
    Setting((2, 2, 2), 4, 32, 0.05),
)


class Ours:
    name = "cpabx"

    def __init__(self, cells: tuple[int, ...], basis: np.ndarray[Any, Any]) -> None:
        self.family = cpabx.Cpab(cells, basis=basis, domain=(0, 1))

    def transform(self, points: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """Points (P, n) by theta (N, d): (N, P, n)."""
        return self.family.transform(points, theta)  # type: ignore[no-any-return]


class Peer:
    name = "libcpab 0.1.3"

    def __init__(self, cells: tuple[int, ...]) -> None:
        import libcpab

        self.family = libcpab.Cpab(list(cells), zero_boundary=False)

    @property
    def basis(self) -> np.ndarray[Any, Any]:
        return np.asarray(self.family.get_basis(), dtype=np.float64)

    def transform(self, points: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        return self.family.transform_grid(points.T.contiguous(), theta).transpose(1, 2)  # type: ignore[no-any-return]


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def forward_backward(which: Ours | Peer, points: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
    """The gradient of the mean squared displacement, as a layer's backward pass would compute it."""
    theta = theta.clone().requires_grad_()
    (which.transform(points, theta) - points).square().mean().backward()
    assert theta.grad is not None
    return theta.grad


def displacement(ours: Ours, points: torch.Tensor, theta: torch.Tensor) -> float:
    return float((ours.transform(points, theta) - points).norm(dim=-1).mean())


def scaled(ours: Ours, points: torch.Tensor, theta: torch.Tensor, wanted: float) -> torch.Tensor:
    """Theta times the factor that gives the wanted mean displacement, by bisection."""
    low, high = 0.0, 2.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if displacement(ours, points, middle * theta) < wanted else (low, middle)
    return low * theta


def errors(which: Ours | Peer, ours: Ours, points: torch.Tensor, theta: torch.Tensor) -> tuple[float, float]:
    """Largest and mean distance from the truth over random points of random items."""
    moved = which.transform(points, theta).detach().numpy()
    tess = ours.family.tessellation
    velocity = ours.family.velocity(theta.double()).numpy().reshape(len(theta), *tess.vertices.shape)
    rng = np.random.default_rng(1)
    inside = np.flatnonzero(((points > 0) & (points < 1)).all(-1).numpy())
    distances = []
    for item in rng.integers(len(theta), size=N_TRUTH // 20):
        oracle = OracleND(
            tess.vertices, tess.cell_vertices, velocity[item], tess.lower, tess.upper, outside=tess.outside
        )
        for point in rng.choice(inside, size=20):
            truth = oracle.flow(points[point].double().numpy())
            distances.append(float(np.linalg.norm(moved[item, point] - truth)))
    return max(distances), statistics.mean(distances)


def gradient_norm_at_zero(which: Ours | Peer, points: torch.Tensor, d: int) -> float:
    start = torch.zeros(2, d, requires_grad=True)
    (which.transform(points, start) - (points + 0.1)).square().mean().backward()
    assert start.grad is not None
    return float(start.grad.norm())


def measure(setting: Setting, peer: Peer, rounds: int) -> dict[str, Any]:
    ours = Ours(setting.cells, peer.basis)
    points = setting.points
    d = ours.family.n_params
    drawn = torch.randn(setting.batch, d, generator=torch.Generator().manual_seed(0))
    theta = scaled(ours, points, drawn, setting.displacement)
    times: dict[str, dict[str, list[float]]] = {w.name: {"forward": [], "forward + backward": []} for w in (ours, peer)}
    for round_ in range(rounds + 1):  # the first warms up
        for which in (ours, peer):
            run = {
                "forward": seconds(lambda w=which: w.transform(points, theta)),
                "forward + backward": seconds(lambda w=which: forward_backward(w, points, theta)),
            }
            for task, value in run.items() if round_ else ():
                times[which.name][task].append(value)
    return {
        "cells": setting.cells,
        "batch": setting.batch,
        "points": len(points),
        "d": d,
        "mean displacement": displacement(ours, points, theta),
        "seconds": {n: {task: statistics.median(v) for task, v in t.items()} for n, t in times.items()},
        "error max, mean": {w.name: errors(w, ours, points, theta) for w in (ours, peer)},
        "gradient norm at theta = 0": {w.name: gradient_norm_at_zero(w, points, d) for w in (ours, peer)},
    }


def show(result: dict[str, Any]) -> None:
    print(
        f"cells {result['cells']}, d = {result['d']}, batch {result['batch']}, {result['points']} points, float32, "
        f"mean displacement {result['mean displacement']:.3f}\n"
    )
    ours, peer = result["seconds"]
    print(f"{'':26}{ours:>14}{peer:>16}{'ratio':>9}")
    for task in ("forward", "forward + backward"):
        a, b = result["seconds"][ours][task], result["seconds"][peer][task]
        print(f"{task + ', s':26}{a:14.4f}{b:16.4f}{b / a:9.1f}")
    n = result["batch"] * result["points"]
    print(f"{'forward, ns a point':26}{result['seconds'][ours]['forward'] / n * 1e9:14.1f}")
    for i, kind in enumerate(("largest", "mean")):
        a, b = result["error max, mean"][ours][i], result["error max, mean"][peer][i]
        print(f"{kind + ' error':26}{a:14.1e}{b:16.1e}{b / a:9.0f}")
    at_zero = result["gradient norm at theta = 0"]
    print(f"{'gradient norm, theta = 0':26}{at_zero[ours]:14.4g}{at_zero[peer]:16.4g}\n", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    peers: dict[tuple[int, ...], Peer] = {}
    results = []
    for setting in SETTINGS:
        peers.setdefault(setting.cells, Peer(setting.cells))
        results.append(measure(setting, peers[setting.cells], arguments.rounds))
        show(results[-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
