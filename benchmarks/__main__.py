"""cpabx beside its peers, in one run.

python -m benchmarks [--only NAME ...] [--rounds 7] [--threads 1 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import core, flows, layers, machine, memory, nodal, set_up, threads
from benchmarks.options import Options
from benchmarks.report import Report, Row

WORKLOADS: dict[str, Callable[[Options], Iterator[Row]]] = {
    "core": core.rows,
    "1d": flows.one_dimension,
    "2d": flows.plane,
    "3d": flows.space,
    "layers": layers.rows,
    "threads": threads.rows,
    "nodal": nodal.rows,
    "set-up": set_up.rows,
    "memory": memory.rows,
}


def run(report: Report, name: str, options: Options) -> None:
    """All rows of a workload; one that fails is a row as well."""
    try:
        for row in WORKLOADS[name](options):
            report.add(row)
    except Exception as error:  # whatever it was, the other workloads are still wanted
        traceback.print_exc()
        report.add(Row(name, "", problem=f"{type(error).__name__}: {error}"))


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if everything that was asked for was measured, be the targets met or not."""
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=Options.rounds, help="each figure is the median of this many")
    parser.add_argument("--threads", type=int, nargs="+", default=list(Options.threads))
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    chosen = parser.parse_args(arguments)
    report = Report(machine.description())
    report.begin()
    for name in chosen.only:
        run(report, name, Options(chosen.rounds, tuple(chosen.threads)))
    report.end()
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if report.complete else 1


if __name__ == "__main__":
    sys.exit(main())
