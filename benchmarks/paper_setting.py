"""cpabx beside PyPI's libcpab in the paper's setting: the same fields, the same points, one thread.

    python benchmarks/paper_setting.py [--json FILE]

Batch 100, 42 x 42 points, tessellation [4, 4] with a free boundary (d = 58), float32, theta drawn
from 0.5 N(0, 1) in the peer's own basis. Times are medians of alternating runs. Errors are against an
integrator that shares nothing with either (cpabx.testing.oracle), in units of the domain.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import cpabx
from cpabx.testing.oracle import Oracle2D

BATCH, SIDE, CELLS, N_TRUTH = 100, 42, (4, 4), 400


class Ours:
    name = "cpabx"

    def __init__(self, basis: np.ndarray[Any, Any]) -> None:
        self.family = cpabx.Cpab(CELLS, basis=basis, domain=(0, 1))

    def transform(self, points: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:
        """Points (P, 2) by theta (N, d): (N, P, 2)."""
        return self.family.transform(points, theta)  # type: ignore[no-any-return]


class Peer:
    name = "libcpab 0.1.3"

    def __init__(self) -> None:
        import libcpab

        self.family = libcpab.Cpab(list(CELLS), zero_boundary=False)

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


def errors(which: Ours | Peer, family: cpabx.Cpab, points: torch.Tensor, theta: torch.Tensor) -> tuple[float, float]:
    """Largest and mean distance from the truth over random points."""
    moved = which.transform(points, theta).detach().numpy()
    velocity = family.velocity(theta.double()).numpy()
    rng = np.random.default_rng(1)
    distances = []
    oracles: dict[int, Oracle2D] = {}
    for item, point in zip(rng.integers(BATCH, size=N_TRUTH), rng.integers(len(points), size=N_TRUTH), strict=True):
        if item not in oracles:
            oracles[item] = Oracle2D(CELLS, velocity[item], (0, 0), (1, 1), family.tessellation.outside)
        truth = oracles[item].flow(points[point].double().numpy())
        distances.append(float(np.linalg.norm(moved[item, point] - truth)))
    return max(distances), statistics.mean(distances)


def measure(rounds: int) -> dict[str, Any]:
    torch.set_num_threads(1)
    peer = Peer()
    ours = Ours(peer.basis)
    axis = torch.linspace(0, 1, SIDE)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1).reshape(-1, 2)
    theta = 0.5 * torch.randn(BATCH, ours.family.n_params, generator=torch.Generator().manual_seed(0))
    times: dict[str, dict[str, list[float]]] = {w.name: {"forward": [], "forward + backward": []} for w in (ours, peer)}
    for round_ in range(rounds + 1):  # the first warms up
        for which in (ours, peer):
            run = {
                "forward": seconds(lambda w=which: w.transform(points, theta)),
                "forward + backward": seconds(lambda w=which: forward_backward(w, points, theta)),
            }
            for task, value in run.items() if round_ else ():
                times[which.name][task].append(value)
    inside = ((points > 0) & (points < 1)).all(-1)
    result: dict[str, Any] = {
        "d": ours.family.n_params,
        "mean displacement": float((ours.transform(points, theta) - points).norm(dim=-1).mean()),
        "seconds": {n: {task: statistics.median(v) for task, v in t.items()} for n, t in times.items()},
        "error max, mean": {w.name: errors(w, ours.family, points[inside], theta) for w in (ours, peer)},
    }
    at_zero = torch.zeros(2, ours.family.n_params)
    target = points + 0.1
    for which in (ours, peer):
        start = at_zero.clone().requires_grad_()
        (which.transform(points, start) - target).square().mean().backward()
        assert start.grad is not None
        result.setdefault("gradient norm at theta = 0", {})[which.name] = float(start.grad.norm())
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    result = measure(arguments.rounds)
    print(f"batch {BATCH}, {SIDE} x {SIDE}, d = {result['d']}, float32, one thread, same fields and points;")
    print(f"mean displacement {result['mean displacement']:.3f} of the domain, medians of {arguments.rounds}\n")
    ours, peer = result["seconds"]
    print(f"{'':26}{ours:>14}{peer:>16}{'ratio':>9}")
    for task in ("forward", "forward + backward"):
        a, b = result["seconds"][ours][task], result["seconds"][peer][task]
        print(f"{task + ', s':26}{a:14.4f}{b:16.4f}{b / a:9.1f}")
    for i, kind in enumerate(("largest", "mean")):
        a, b = result["error max, mean"][ours][i], result["error max, mean"][peer][i]
        print(f"{kind + ' error':26}{a:14.1e}{b:16.1e}{b / a:9.0f}")
    at_zero = result["gradient norm at theta = 0"]
    print(f"{'gradient norm, theta = 0':26}{at_zero[ours]:14.4g}{at_zero[peer]:16.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
