"""Peak memory of a training step beyond what the process held before, each contestant in its own process.

The step is forward and backward: a peer that records every step of its integration holds most of what it
needs for the backward pass before that begins.

``python -m benchmarks.memory CONTESTANT`` prints the MiB that the step added, and those of its results: the
transformed points or images, and the gradients.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch
from torch import Tensor

import cpabx
from benchmarks.child import ChildError, result_of
from benchmarks.machine import version
from benchmarks.options import Options
from benchmarks.peers import DOMAIN, Libcpab, Ours
from benchmarks.report import AtMost, Measured, Row
from benchmarks.resident import MALLOC, with_peak
from benchmarks.settings import LARGE, Setting, drawn

MIB = 2**20
#: Bytes that are kept of each point between forward and backward, at most.
TAPE_PER_POINT = 64
#: Of ours: its name, what it is, and what is differentiated.
STEPS = (("theta", "flow", "theta"), ("points", "flow", "theta, points"), ("warp", "STCPAB", "theta, images"))
SMALL = Setting(LARGE.cells, LARGE.batch, 25)

Step = Callable[[], tuple[Tensor, ...]]


def differentiated(function: Callable[..., Tensor], size: tuple[int, ...], *inputs: Tensor) -> Step:
    """Runs the function, and goes back through it to those inputs that ask for it."""
    cotangent = torch.randn(size)
    wanted = [tensor for tensor in inputs if tensor.requires_grad]

    def step() -> tuple[Tensor, ...]:
        result = function(*inputs)
        return (result, *torch.autograd.grad(result, wanted, cotangent))

    return step


def flow(contestant: Ours | Libcpab, n_params: int, setting: Setting, points_too: bool) -> Step:
    points = torch.from_numpy(setting.points(*DOMAIN)).float().requires_grad_(points_too)
    return differentiated(contestant.transform, (setting.batch, *points.shape), points, parameters(n_params, setting))


def warp(family: cpabx.Cpab, setting: Setting) -> Step:
    images = torch.rand(setting.batch, 1, setting.side, setting.side, requires_grad=True)
    return differentiated(family.warp, images.shape, images, parameters(family.n_params, setting))


def parameters(n_params: int, setting: Setting) -> Tensor:
    return torch.from_numpy(0.1 * drawn(n_params, setting.batch)).float().requires_grad_()


def made(contestant: str, setting: Setting) -> Step:
    """The step of a contestant, ready to run."""
    if contestant == "libcpab":
        peer = Libcpab(setting.cells)
        return flow(peer, peer.basis.shape[1], setting, points_too=False)
    family = cpabx.Cpab(setting.cells, domain=DOMAIN)
    if contestant == "warp":
        return warp(family, setting)
    return flow(Ours(family), family.n_params, setting, points_too=contestant == "points")


def measure(contestant: str) -> dict[str, float]:
    torch.set_num_threads(1)
    made(contestant, SMALL)()  # what is loaded and made once does not count
    step = made(contestant, LARGE)
    results, extra = with_peak(step)
    return {"extra": extra, "results": sum(r.numel() * r.element_size() for r in results) / MIB}


#: Memory hardly varies.
MOST_ROUNDS = 3


def rows(options: Options) -> Iterator[Row]:
    rounds = min(options.rounds, MOST_ROUNDS)
    for contestant, what, wanted in STEPS:
        task = f"peak memory, {what}, forward + backward ({wanted})"
        row = Row(str(LARGE), task, 1, unit="MiB")
        try:
            ours, results = shares(contestant, rounds)
            row = replace(row, ours=ours, target=AtMost(results + TAPE_PER_POINT * LARGE.n_moved / MIB + 1, "MiB"))
            if contestant == "theta":
                row = replace(row, other=shares("libcpab", rounds)[0])
        except ChildError as error:
            row = replace(row, problem=str(error))
        yield row


def shares(contestant: str, rounds: int) -> tuple[Measured, float]:
    """The extra MiB of each round, and those of the results.

    Raises:
        ChildError: a process failed.
    """
    found = [result_of(__name__, contestant, **MALLOC) for _ in range(rounds)]
    name = f"libcpab {version('libcpab')}" if contestant == "libcpab" else "cpabx"
    return Measured(name, [result["extra"] for result in found]), found[0]["results"]


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))
