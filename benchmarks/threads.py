"""Two threads beside one: the calls of libcpab alone, and from within torch, which has threads of its own."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping

import numpy as np
import torch

import cpabx
from benchmarks import core
from benchmarks.flows import Fields
from benchmarks.options import Options
from benchmarks.peers import Ours
from benchmarks.report import Measured, Row, TimesLess
from benchmarks.settings import LARGE, USUAL
from benchmarks.timing import Laps, alternate
from cpabx import native

TARGET = TimesLess(1.9)


def rows(options: Options) -> Iterator[Row]:
    if native.default_threads() < 2:
        yield Row(str(LARGE), "all", 2, target=TARGET, problem="there is one processor")
        return
    for place, runs in {"libcpab": calls(), "torch": from_torch()}.items():
        times = alternate(runs, options.rounds)
        for task in times["one thread"]:
            two, one = (Measured(name, times[key][task]) for name, key in (("cpabx", "two"), ("one thread",) * 2))
            yield Row(str(LARGE), f"{place}: {task}, {USUAL:.0%}", 2, two, one, TARGET, count=LARGE.n_moved)


def calls() -> Mapping[str, Laps]:
    cpab = cpabx.Cpab(LARGE.cells)
    velocity = core.velocities(cpab, LARGE, USUAL).astype(np.float32)
    return {"two": core.laps(cpab, LARGE, velocity, 2), "one thread": core.laps(cpab, LARGE, velocity, 1)}


def from_torch() -> Mapping[str, Laps]:
    ours = Ours(cpabx.Cpab(LARGE.cells))
    fields = Fields.drawn(LARGE, ours.family, USUAL)

    def laps(threads: int) -> Mapping[str, float]:
        torch.set_num_threads(threads)
        return fields.laps(ours)

    return {"two": functools.partial(laps, 2), "one thread": functools.partial(laps, 1)}
