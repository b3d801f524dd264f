"""How long a family takes to make, each time in a new process.

``python -m benchmarks.set_up CASE UNIT`` prints its seconds ("s"), or by how much it needed more memory ("MiB").
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.child import ChildError, result_of
from benchmarks.machine import version
from benchmarks.options import Options
from benchmarks.report import AtMost, Measured, Row, Target
from benchmarks.resident import with_peak
from benchmarks.timing import seconds

NODAL = {"cells": (64, 64), "basis": "nodal", "outside": "nearest"}


def ours(**options: Any) -> None:
    """Until theta can be used: its velocities are asked for once."""
    cpabx = importlib.import_module("cpabx")
    family = cpabx.Cpab(**options)
    family.velocity(family.identity())


def libcpab(cells: list[int]) -> None:
    # It keeps bases in files; ``override`` makes it compute them, as the first user's process does.
    importlib.import_module("libcpab").Cpab(cells, zero_boundary=False, override=True)


@dataclass(frozen=True)
class Case:
    what: str
    make: Callable[[], None]
    warm_up: Callable[[], None]
    who: str = "cpabx"


CASES = {
    "nodal": Case("(64, 64), nodal, d = 16642", lambda: ours(**NODAL), lambda: ours(cells=(2, 2))),
    "fine": Case("(8, 8, 8), orthonormal", lambda: ours(cells=(8, 8, 8)), lambda: ours(cells=(1, 1, 1))),
    "coarse": Case("(3, 3, 3), orthonormal", lambda: ours(cells=(3, 3, 3)), lambda: ours(cells=(1, 1, 1))),
    "libcpab": Case(
        "libcpab [3, 3, 3]", lambda: libcpab([3, 3, 3]), lambda: libcpab([1, 1, 1]), f"libcpab {version('libcpab')}"
    ),
}
QUANTITIES = {"s": "time", "MiB": "peak memory"}
#: What took longer than this, in seconds, is not repeated.
SLOW = 5.0


def measure(case: Case, unit: str) -> float:
    case.warm_up()  # imports and loading are not set-up
    return seconds(case.make) if unit == "s" else with_peak(case.make)[1]


def repeated(name: str, unit: str, rounds: int) -> Measured:
    """Raises ChildError if a process fails."""
    values: list[float] = []
    while len(values) < rounds and not (unit == "s" and any(value > SLOW for value in values)):
        values.append(result_of(__name__, name, unit))
    return Measured(CASES[name].who, values)


def rows(options: Options) -> Iterator[Row]:
    comparisons: tuple[tuple[str, int, Target | None, tuple[str, ...]], ...] = (
        ("s", options.rounds, AtMost(0.5, "s"), ("nodal",)),
        ("MiB", 1, None, ("nodal",)),
        ("s", options.rounds, None, ("fine",)),
        ("MiB", 1, None, ("fine",)),
        ("s", options.rounds, None, ("coarse", "libcpab")),
    )
    for unit, rounds, target, names in comparisons:
        task = f"{QUANTITIES[unit]}, {CASES[names[0]].what}"
        try:
            ours, other = (*(repeated(name, unit, rounds) for name in names), None)[:2]
            yield Row("set-up", task, 1, ours, other, target, unit=unit)
        except ChildError as error:
            yield Row("set-up", task, 1, target=target, unit=unit, problem=str(error))


if __name__ == "__main__":
    print(json.dumps(measure(CASES[sys.argv[1]], sys.argv[2])))
