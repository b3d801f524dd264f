"""What Python costs around libcpab, and how large the interfaces are: ``python -m benchmarks.overhead``.

Calls are those of Python functions of cpabx and its torch backend, counted by ``sys.setprofile`` in the second run,
when all caches are warm; a move is a call that goes to another file than the call before it. In torch, the backward
pass on the CPU runs on the calling thread, and is counted.
"""

from __future__ import annotations

import itertools
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import cpabx
import cpabx_torch

ROOT = Path(__file__).parents[1]
#: Where the functions are that are counted.
OURS = (*cpabx.__path__, *cpabx_torch.__path__)
N_ROUNDS, N_CALLS = 15, 30


def walk(call: Callable[[], Any]) -> tuple[int, int, int]:
    """Python calls, files and moves between files of the second run of a function."""
    call()
    files: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            files.append(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    moves = sum(before != after for before, after in itertools.pairwise(files))
    return len(files), len(set(files)), moves


def numpy_transform() -> Callable[[], Any]:
    flow = cpabx.Cpab((4, 4))
    theta = flow.sample(2, seed=0, backend="numpy")
    points = np.zeros((5, 2), np.float32)
    return lambda: flow.transform(points, theta)


def torch_layer() -> Callable[[], Any]:
    layer = cpabx.layers.STCPAB((4, 4), input_shape=(1, 8, 8), backend="torch")
    images = torch.rand(2, 1, 8, 8)
    return lambda: layer(images).sum().backward()


def torch_warp(flow: cpabx.Cpab, *, learns: bool) -> Callable[[], Any]:
    images, theta = torch.rand(1, 1, 28, 28), torch.zeros(1, flow.n_params, requires_grad=learns)
    return _and_back(lambda: flow.warp(images, theta), learns)


def torch_affine(*, learns: bool) -> Callable[[], Any]:
    images, theta = torch.rand(1, 1, 28, 28), torch.eye(2, 3)[None].requires_grad_(learns)

    def warp() -> torch.Tensor:
        grid = functional.affine_grid(theta, [1, 1, 28, 28], align_corners=False)
        return functional.grid_sample(images, grid, align_corners=False)

    return _and_back(warp, learns)


def _and_back(warp: Callable[[], torch.Tensor], learns: bool) -> Callable[[], Any]:
    return (lambda: warp().sum().backward()) if learns else warp  # type: ignore[no-untyped-call]


def times_affine(*, learns: bool) -> float:
    """The median time of a small warp of CPAB, forward (and backward), over that of torch's affine one, in turns."""
    calls = [torch_warp(cpabx.Cpab((4, 4)), learns=learns), torch_affine(learns=learns)]
    ratios = []
    for _ in range(N_ROUNDS):
        seconds = []
        for call in calls:
            start = time.perf_counter()
            for _ in range(N_CALLS):
                call()
            seconds.append(time.perf_counter() - start)
        ratios.append(seconds[0] / seconds[1])
    return statistics.median(ratios[2:])


def files_that_spell(word: str) -> tuple[int, int]:
    """All that are tracked, and those that are no tests, fuzzer or documents."""
    command = ["git", "grep", "-l", word]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return len(listed), sum(not re.search(r"(^|/)(tests|fuzz|docs)/", path) for path in listed)


def exported() -> int:
    return len(re.findall(r"^CPAB_API ", (ROOT / "libcpab/include/cpab.h").read_text(), re.MULTILINE))


def rows() -> Iterator[tuple[str, str]]:
    """What is measured, and what came out."""
    yield "torch STCPAB forward + backward: calls / files / moves", " / ".join(map(str, walk(torch_layer())))
    yield "numpy Cpab.transform: calls / files / moves", " / ".join(map(str, walk(numpy_transform())))
    yield "warp of one 28x28 image, forward, over torch's affine ST", f"{times_affine(learns=False):.1f}"
    yield "warp of one 28x28 image, forward + backward, over torch's affine ST", f"{times_affine(learns=True):.1f}"
    yield "functions exported by libcpab", str(exported())
    yield "files that spell vjp_jvp: all / sources", " / ".join(map(str, files_that_spell("vjp_jvp")))
    yield "README", f"{(ROOT / 'README.md').stat().st_size / 1000:.1f} kB"


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    print("| | |\n| --- | --- |")
    for name, value in rows():
        print(f"| {name} | {value} |", flush=True)


if __name__ == "__main__":
    main()
