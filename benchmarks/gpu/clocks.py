"""Seconds of work on a device by its own events, and on the CPU by a clock, for tests of what is measured."""

from __future__ import annotations

import math
import subprocess
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch

Run = Callable[[], Any]
#: Of one measurement: less than that is lost in how often a clock ticks.
LEAST_SECONDS, MOST_REPEATS = 3e-3, 300


class Clock(Protocol):
    """A device and its time."""

    place: torch.device

    def seconds(self, run: Run, repeats: int) -> float:
        """Of one of that many runs in a row."""

    def captured(self, run: Run) -> Run | None:
        """The run as a graph; None where there are none."""


class CudaClock:
    """Events on the stream that work is given to."""

    place = torch.device("cuda", 0)

    def seconds(self, run: Run, repeats: int) -> float:
        before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(self.place)
        before.record()
        for _ in range(repeats):
            run()
        after.record()
        after.synchronize()
        return float(before.elapsed_time(after)) / 1e3 / repeats

    def captured(self, run: Run) -> Run | None:
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):  # what is computed once, and what libraries set up
            for _ in range(3):
                run()
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            kept = run()

        def replay() -> Any:
            graph.replay()
            return kept

        return replay


class HostClock:
    """The CPU's."""

    place = torch.device("cpu")

    def seconds(self, run: Run, repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        return (time.perf_counter() - start) / repeats

    def captured(self, run: Run) -> Run | None:
        return None


def repeats(clock: Clock, run: Run) -> int:
    """How often to run for one measurement, after runs that do not count."""
    clock.seconds(run, 2)
    return max(1, min(MOST_REPEATS, math.ceil(LEAST_SECONDS / max(clock.seconds(run, 2), 1e-9))))


def copied_per_second(clock: Clock, n_bytes: int = 1 << 28) -> float:
    """Bytes that a copy in the memory of the device reads and writes."""
    source = torch.zeros(n_bytes, dtype=torch.uint8, device=clock.place)
    target = torch.empty_like(source)
    return 2 * n_bytes / min(clock.seconds(lambda: target.copy_(source), 10) for _ in range(5))


def hertz_under_load(clock: Clock, run: Run) -> float | None:
    """Cycles of a multiprocessor in a second while it works, as nvidia-smi tells; None where it does not."""
    for _ in range(500):
        run()
    told = _asked("clocks.sm")
    clock.seconds(run, 1)  # waits
    return next((float(word) * 1e6 for word in told), None)


def _asked(what: str) -> Iterable[str]:
    command = ["nvidia-smi", f"--query-gpu={what}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip().isdigit()]
