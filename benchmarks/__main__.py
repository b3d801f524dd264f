"""cpabx beside its peers, in one run: ``python -m benchmarks`` from the root of a clone.

    python -m benchmarks [--only NAME ...] [--rounds 7] [--threads 1 2] [--json FILE]

The workload ``core`` runs only if asked for: the bare calls of libcpab, without any framework or peer.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import traceback
from pathlib import Path

from benchmarks import machine
from benchmarks.options import Options
from benchmarks.report import Report, Row
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.files import write

#: Modules and functions that yield the rows. They are imported when their turn comes: a peer that cannot be
#: imported costs its own rows only, and frameworks do not disturb those who do without.
WORKLOADS = {
    "1d": "flows.one_dimension",
    "2d": "flows.plane",
    "3d": "flows.space",
    "layers": "layers.rows",
    "samplers": "samplers.rows",
    "threads": "threads.rows",
    "nodal": "nodal.rows",
    "set-up": "set_up.rows",
    "memory": "memory.rows",
    "core": "core.rows",
}


def run(report: Report, name: str, place: str, options: Options) -> None:
    """All rows of a workload; one that fails is a row as well."""
    module, function = place.split(".")
    try:
        for row in getattr(importlib.import_module(f"benchmarks.{module}"), function)(options):
            report.add(row)
    except Exception as error:  # whatever it was, the other workloads are still wanted
        traceback.print_exc()
        report.add(Row(name, "", problem=f"{type(error).__name__}: {error}"))


def at_least_one(text: str) -> int:
    if int(text) < 1:
        raise ValueError
    return int(text)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    asked = [name for name in WORKLOADS if name != "core"]
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=asked, help="workloads")
    parser.add_argument(
        "--rounds", type=at_least_one, default=Options.rounds, help="each figure is the median of this many"
    )
    parser.add_argument("--threads", type=at_least_one, nargs="+", default=list(Options.threads))
    parser.add_argument("--json", type=Path, help="a file for everything that was measured")
    chosen = parser.parse_args(arguments)
    if chosen.json and not chosen.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no folder {chosen.json.parent}")
    if chosen.json and chosen.json.exists() and not chosen.json.is_file():
        parser.error(f"--json: {chosen.json} is there and no file")
    return chosen


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if everything that was asked for was measured, be the targets met or not."""
    chosen = parse(arguments)
    report = Report(machine.description(), chosen.rounds)
    report.begin()
    for name in chosen.only:
        run(report, name, WORKLOADS[name], Options(chosen.rounds, tuple(chosen.threads)))
    report.end()
    if chosen.json:
        try:
            write(chosen.json, (json.dumps(report.as_json(), indent=2, allow_nan=False) + "\n").encode())
        except ExperimentError as error:  # such as a full disk; what was measured is on the terminal
            print(f"benchmarks: {error}", file=sys.stderr)
            return 1
    return 0 if report.complete else 1


if __name__ == "__main__":
    sys.exit(main())
