"""How long a family takes to make, each time in a new process.

``python -m benchmarks.set_up CASE`` prints seconds, and what it added to the memory in MiB.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.child import ChildError, result_of
from benchmarks.machine import version
from benchmarks.options import Options
from benchmarks.report import AtMost, Measured, Row, Target
from benchmarks.timing import seconds

MIB = 2**20
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
QUANTITIES = {"s": "time", "MiB": "memory"}
#: What took longer than this, in seconds, is not repeated.
SLOW = 5.0


def peak() -> float:
    """The most memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def measure(case: Case) -> dict[str, float]:
    case.warm_up()  # imports and loading are not set-up
    before = peak()
    return {"s": seconds(case.make), "MiB": peak() - before}


def rows(options: Options) -> Iterator[Row]:
    found: dict[str, list[dict[str, float]]] = {name: [] for name in CASES}
    problems: dict[str, str] = {}
    for name in [name for _ in range(options.rounds) for name in CASES]:
        if name in problems or any(result["s"] > SLOW for result in found[name]):
            continue
        try:
            found[name].append(result_of(__name__, name))
        except ChildError as error:
            problems[name] = f"{CASES[name].what}: {error}"

    def row(unit: str, target: Target | None, *names: str) -> Row:
        task = f"{QUANTITIES[unit]}, {CASES[names[0]].what}"
        failed = [problems[name] for name in names if name in problems]
        if failed:
            return Row("set-up", task, target=target, unit=unit, problem="; ".join(failed))
        shares = [Measured(CASES[name].who, [result[unit] for result in found[name]]) for name in names]
        return Row("set-up", task, 1, *shares, target=target, unit=unit)

    yield row("s", AtMost(0.5, "s"), "nodal")
    yield row("MiB", None, "nodal")
    yield row("s", None, "fine")
    yield row("MiB", None, "fine")
    yield row("s", None, "coarse", "libcpab")


if __name__ == "__main__":
    print(json.dumps(measure(CASES[sys.argv[1]])))
