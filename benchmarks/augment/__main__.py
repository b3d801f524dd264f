"""Images a second, in one process and one run: ``python -m benchmarks.augment [--rounds 7] [--threads 1]``.

Contestants take turns; a figure is that of the median round, by the processor's time if there is one thread, which
others on the machine disturb less, or else by the clock. Targets are 10 times torchvision's ElasticTransform and
2.5 times kornia's RandomElasticTransform.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks import machine
from benchmarks.augment import contestants as sets
from benchmarks.augment.contestants import Contestant
from benchmarks.timing import alternate

#: What the default must be as fast as, and how many times.
TARGETS = (("ElasticTransform, one by one", 10.0), ("RandomElasticTransform", 2.5))
OURS = "cpabx RandomCPAB (4, 4)"


def collected(sources: tuple[Callable[[], Iterator[Contestant]], ...]) -> tuple[list[Contestant], list[str]]:
    """All that can be had, and a line for each package that is not there."""
    found, missing = [], []
    for source in sources:
        try:
            found += list(source())
        except (ImportError, RuntimeError) as error:  # the latter: built for another torch
            missing.append(f"{source.__name__.removeprefix('of_')}: {error}")
    return found, missing


def taken(call: Callable[[], Any], clock: Callable[[], float]) -> dict[str, float]:
    """Seconds of one call."""
    start = clock()
    call()
    return {"": clock() - start}


def rates(contestants: list[Contestant], rounds: int, clock: Callable[[], float]) -> dict[str, float]:
    """Images a second by name."""
    laps = {one.name: functools.partial(taken, one.call, clock) for one in contestants}
    times = alternate(laps, rounds)
    return {one.name: one.n_images / statistics.median(times[one.name][""]) for one in contestants}


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if a target was missed or a rival is not installed."""
    parser = argparse.ArgumentParser("python -m benchmarks.augment", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args(arguments)
    torch.set_num_threads(chosen.threads)
    found, missing = collected((sets.of_cpabx, sets.of_torchvision, sets.of_kornia))
    print(f"{machine.processor()}, torch {torch.__version__}, {chosen.threads} thread(s)")
    print(f"{sets.CHANNELS} channels, {sets.SIDE}x{sets.SIDE}, batch {sets.BATCH}: images a second")
    measured = rates(found, chosen.rounds, time.process_time if chosen.threads == 1 else time.perf_counter)
    for name, rate in measured.items():
        print(f"  {name:58s} {rate:8.1f}")
    met = not missing
    for line in missing:
        print(f"  not measured, {line}")
    for suffix, factor in TARGETS:
        for name, rate in measured.items():
            if name.endswith(suffix):
                times = measured[OURS] / rate
                print(f"{OURS} / {name}: {times:.1f} ({'at least' if times >= factor else 'MISSED,'} {factor:g})")
                met &= times >= factor
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
