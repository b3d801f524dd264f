"""Speed on a GPU beside estimates and other ways: ``python -m benchmarks.gpu`` from the root of a clone.

    python -m benchmarks.gpu [--rounds 7] [--seconds 110] [--json FILE]

Each figure is the median of rounds in which the contestants of a setting took turns. What does not fit in the seconds
is not measured, and says so.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import cpabx
from benchmarks import machine
from benchmarks.gpu.clocks import Clock, CudaClock, copied_per_second, hertz_under_load, repeats
from benchmarks.gpu.estimates import Device
from benchmarks.gpu.results import Measured, Result
from benchmarks.gpu.tasks import OURS, Case, Task
from benchmarks.settings import LARGE, ONE_D, PLANE, SPACE, Setting
from benchmarks.timing import alternate

#: What the page has estimates for comes first.
SETTINGS = (PLANE, LARGE, SPACE, ONE_D[1])
DISPLACEMENTS = (0.05, 0.15, 0.02)
#: Where nvidia-smi tells no clock.
UNKNOWN_HERTZ = 1.5e9


class Contestant:
    """A task that is run, eagerly and as a graph."""

    def __init__(self, clock: Clock, task: Task) -> None:
        assert task.run is not None
        self._clock, self._runs = clock, {"eager": task.run}
        first, second = (_tensors(task.run()) for _ in range(2))
        self.same_bits = all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        self.error = None if task.exact is None else error_of(first[0][:1], task.exact())
        self.no_graph = ""
        try:
            if (replay := clock.captured(task.run)) is not None:
                self._runs["graph"] = replay
        except Exception as error:  # a contestant that waits for the device
            self.no_graph = f"{type(error).__name__}: {error}"
        self._repeats = {way: repeats(clock, run) for way, run in self._runs.items()}

    def laps(self) -> dict[str, float]:
        return {way: self._clock.seconds(run, self._repeats[way]) for way, run in self._runs.items()}


def _tensors(result: Any) -> Sequence[Tensor]:
    return [result] if isinstance(result, Tensor) else list(result)


def error_of(got: Tensor, exact: Tensor) -> float:
    """The largest difference, relative to what is largest and at least 1."""
    return float((got.cpu() - exact).abs().max() / exact.abs().max().clamp(min=1))


def measured(case: Case, clock: Clock, rounds: int, folder: Path) -> Iterator[Result]:
    """All tasks of a case; one that fails is a result as well."""
    contestants: dict[str, Contestant] = {}
    described = []
    for task in case.tasks(folder):
        known = Result(case.setting, case.displacement, task.name, task.who, task.n_points, n_bytes=task.n_bytes)
        key, problem = f"{task.name}, {task.who}", task.problem
        if not problem:
            try:
                contestants[key] = Contestant(clock, task)
            except Exception as error:  # whatever it was, the others are still wanted
                problem = f"{type(error).__name__}: {error}"
        described.append((key, known, problem))
    times = alternate({key: contestant.laps for key, contestant in contestants.items()}, rounds)
    for key, known, problem in described:
        found = {way: statistics.median(values) for way, values in times.get(key, {}).items()}
        ran = contestants.get(key)
        told = {name: getattr(ran, name) for name in ("no_graph", "same_bits", "error")} if ran else {}
        yield Result(**{**known.__dict__, **found, **told, "problem": problem})


def run(
    clock: Clock,
    device: Device,
    *,
    settings: Sequence[Setting] = SETTINGS,
    displacements: Sequence[float] = DISPLACEMENTS,
    rounds: int = 7,
    seconds: float = 110,
) -> Measured:
    """Everything, as far as there is time."""
    end = time.monotonic() + seconds
    copied = copied_per_second(clock, 1 << (28 if clock.place.type == "cuda" else 16))
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as folder:
        for displacement in displacements:
            for setting in settings:
                if time.monotonic() > end:
                    n = setting.n_moved
                    results.append(Result(setting, displacement, "all", OURS, n, problem="the time was over"))
                    continue
                try:
                    results += measured(Case(setting, displacement, clock.place), clock, rounds, Path(folder))
                except Exception as error:
                    problem = f"{type(error).__name__}: {error}"
                    results.append(Result(setting, displacement, "all", OURS, setting.n_moved, problem=problem))
                print(f"measured: {setting}, {displacement:.0%}", file=sys.stderr, flush=True)
    return Measured(device, copied, machine.description(), results)


def this_device(clock: CudaClock) -> Device:
    """The device, with the cycles that it has while it works."""
    case = Case(PLANE, 0.05, clock.place)
    work = functools.partial(case.family.transform, case.points, case.theta)
    told = torch.cuda.get_device_properties(clock.place)
    return Device(told.name, told.multi_processor_count, hertz_under_load(clock, work) or UNKNOWN_HERTZ)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="each figure is the median of this many")
    parser.add_argument("--seconds", type=float, default=110, help="after which no setting is begun")
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if everything was measured."""
    chosen = parse(arguments)
    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a torch that sees a CUDA device", file=sys.stderr)
        return 2
    # Without it, torch refuses products of matrices where results are to be the same every time.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    clock = CudaClock()
    found = run(clock, this_device(clock), rounds=chosen.rounds, seconds=chosen.seconds)
    for name, value in found.about.items():
        print(f"* {name}: {value}")
    print(f"* device: {found.device}, copies {found.copied / 1e9:.0f} GB/s\n")
    print(found.tables())
    if chosen.json:
        chosen.json.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")
    cpabx.check_device_errors()
    return 1 if any(result.problem for result in found.results) else 0


if __name__ == "__main__":
    sys.exit(main())
