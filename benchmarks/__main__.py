"""cpabx beside its peers, in one run.

python -m benchmarks [--only NAME ...] [--rounds 7] [--threads 1 2] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks import core, machine
from benchmarks.report import Report

WORKLOADS = {"core": core.rows}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="NAME")
    parser.add_argument("--rounds", type=int, default=7, help="each time is the median of this many")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--json", type=Path, help="where to write everything that was measured")
    chosen = parser.parse_args(arguments)
    report = Report(machine.description())
    report.begin()
    for name in chosen.only:
        for threads in chosen.threads:
            report.add(WORKLOADS[name](chosen.rounds, threads))
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0 if report.complete else 1


if __name__ == "__main__":
    sys.exit(main())
