"""Every layer in every form that it can be served in: ``python -m benchmarks.export`` from the root of a clone.

    python -m benchmarks.export [--targets NAME ...] [--layers NAME ...] [--rounds 7] [--threads 1] [--json FILE]

A row is one layer in one target: the largest difference from the native layer of its framework over batches of several
sizes, in parts of the images' range; the time of a batch, beside that of the native layer, by turns; and how long it
took to make. What is not installed, or does not work, is a row that says so. At the end stands a table of layers by
targets, with errors and times against native ones.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks import machine
from benchmarks.export.cases import CASES, TIMED, Case
from benchmarks.export.measure import Outcome, measured, missing
from benchmarks.export.overview import overview
from benchmarks.export.targets import TARGETS, Target
from benchmarks.report import line

HEADINGS = ("layer", "target", "error", "native", "here", "times native", "made in", "")


def rows(targets: list[Target], cases: list[Case], rounds: int, threads: int) -> Iterator[Outcome]:
    """One framework after the other, since each would take the other's threads."""
    for target in targets:
        if (package := missing(target)) is not None:
            yield Outcome("all", target.name, problem=f"not installed: {package}")
            continue
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                yield measured(target, case, Path(folder), rounds, threads)


def cells(outcome: Outcome) -> list[str]:
    """The texts of a row."""
    first = [outcome.layer, outcome.target]
    if outcome.problem:
        return [*first, *[""] * 5, outcome.problem]
    times = (f"{1e3 * outcome.native:.3g} ms", f"{1e3 * outcome.seconds:.3g} ms", f"{outcome.times:.2f}")
    return [*first, f"{outcome.error:.1e}", *times, f"{outcome.made:.1f} s", ""]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.export", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--layers", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, help="a file for all that was measured")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns 1 if something that is installed did not work."""
    chosen = parse(arguments)
    print(f"{machine.processor()}, {chosen.threads} thread(s); times of a batch of {TIMED}\n")
    print(line(HEADINGS))
    print(line(["---"] * len(HEADINGS)), flush=True)
    targets, cases = [TARGETS[name] for name in chosen.targets], [CASES[name] for name in chosen.layers]
    outcomes = []
    for outcome in rows(targets, cases, chosen.rounds, chosen.threads):
        print(line(cells(outcome)), flush=True)
        outcomes.append(outcome)
    print("", *overview(outcomes), sep="\n")
    if chosen.json:
        chosen.json.write_text(json.dumps([outcome.as_json() for outcome in outcomes], indent=2) + "\n")
    return int(any(outcome.problem and not outcome.problem.startswith("not installed") for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
