"""What CPABActivation costs beside others, forward and backward: ``python -m benchmarks.density.activation``."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

import cpabx

VALUES, REPEATS = 10**7, 5


def nanoseconds(activation: nn.Module, values: torch.Tensor) -> float:
    """Of processor time, a value: the median of some runs, after one that is not counted."""
    used = []
    for _ in range(REPEATS + 1):
        values.grad = None
        begin = time.process_time()
        activation(values).sum().backward()
        used.append(time.process_time() - begin)
    return statistics.median(used[1:]) / len(values) * 1e9


def main() -> None:
    torch.set_num_threads(1)
    values = torch.randn(VALUES, generator=torch.Generator().manual_seed(0), requires_grad=True)
    activation = cpabx.layers.CPABActivation(cells=10, backend="torch")
    with torch.no_grad():
        activation.theta.normal_(0, 0.3, generator=torch.Generator().manual_seed(1))
    gelu = nanoseconds(nn.GELU(), values)
    for name, layer in {"PReLU": nn.PReLU(), "CPABActivation": activation}.items():
        found = nanoseconds(layer, values)
        print(f"{name} {found:.1f} ns a value, {found / gelu:.1f} times GELU's {gelu:.1f}", flush=True)


if __name__ == "__main__":
    main()
