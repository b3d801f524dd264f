"""Two threads beside one."""

from __future__ import annotations

from collections.abc import Iterator

import torch

import cpabx
from benchmarks.flows import TASKS, Fields
from benchmarks.options import Options
from benchmarks.peers import Ours
from benchmarks.report import Measured, Row, TimesLess
from benchmarks.settings import LARGE, USUAL
from benchmarks.timing import alternate
from cpabx import native

TARGET = TimesLess(1.8)


def rows(options: Options) -> Iterator[Row]:
    if native.default_threads() < 2:
        yield Row(str(LARGE), TASKS[0], 2, target=TARGET, problem="there is one processor")
        return
    ours = Ours(cpabx.Cpab(LARGE.cells))
    fields = Fields.drawn(LARGE, ours.family, USUAL)

    def laps(threads: int) -> dict[str, float]:
        torch.set_num_threads(threads)
        return fields.laps(ours)

    times = alternate({"two": lambda: laps(2), "one": lambda: laps(1)}, options.rounds)
    for task in TASKS:
        two, one = Measured("cpabx", times["two"][task]), Measured("one thread", times["one"][task])
        yield Row(str(LARGE), f"{task}, {USUAL:.0%}", 2, two, one, TARGET, count=LARGE.n_moved)
