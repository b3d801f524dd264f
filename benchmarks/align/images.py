"""Registration of images beside other packages: ``python -m benchmarks.align.images`` from the root of a clone.

    python -m benchmarks.align.images [--seeds 0 1 2] [--volumes 64 128] [--lfw FOLDER] [--rounds 3] [--json FILE]

Sixteen photographs of 128x128 pixels with known maps for each seed, six pairs of faces (if the folder of LFW's View 2
is given, or CPABX_LFW names it), and volumes with known maps. cpabx gets no option. A rival that is not installed, or
fails, is a row that says so. Of several pairs each registers one first, which is not timed. Then all take turns, and
seconds are those of the median turn; processor seconds are those of all threads.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.align.cases import Array, Pair, faces, photographs, volume
from benchmarks.align.measures import measured
from benchmarks.align.rivals import RIVALS, Rival

Row = dict[str, object]

#: Seconds after which no new round of a problem begins.
LONG = 300.0


def problems(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Pair]]]:
    """Names and pairs."""
    for seed in arguments.seeds:
        yield f"sixteen warps, seed {seed}", photographs(seed)
    if arguments.lfw:
        yield "faces", list(faces(arguments.lfw))
    for size in arguments.volumes:
        yield f"volume of {size}", [volume(size)]


@dataclass
class Turns:
    """What a rival has found in its turns, or why it has none."""

    rival: Rival
    found: list[Array] = field(default_factory=list)
    seconds: list[tuple[float, float]] = field(default_factory=list)
    missing: str | None = None

    def take(self, pairs: Sequence[Pair], *, counts: bool = True) -> None:
        """One turn, whose seconds count or not; none after one that failed."""
        if self.missing is not None:
            return
        try:
            begin, used = time.perf_counter(), time.process_time()
            self.found = self.rival.method(pairs)
            taken = time.perf_counter() - begin, time.process_time() - used
        except Exception as error:  # a rival's own
            self.missing = f"{type(error).__name__}: {error}"[:80]
        else:
            self.seconds += [taken] * counts

    def row(self, problem: str, pairs: Sequence[Pair]) -> Row:
        """What it reaches, and the median seconds of a pair."""
        row: Row = {"problem": problem, "method": self.rival.name}
        if self.missing is not None:
            return row | {"missing": self.missing}
        each = [measured(pair, displacement) for pair, displacement in zip(pairs, self.found, strict=True)]
        seconds, processor = (statistics.median(turn) / len(pairs) for turn in zip(*self.seconds, strict=True))
        return row | {
            "error": statistics.mean(m.error for m in each),
            "worst": max(m.error for m in each),
            "rmse": statistics.mean(m.rmse for m in each),
            "folding": statistics.mean(m.folding for m in each),
            "smallest_area": min(m.smallest_area for m in each),
            "largest_area": max(m.largest_area for m in each),
            "seconds": seconds,
            "processor_seconds": processor,
            "turns": len(self.seconds),
            "pairs": [asdict(m) for m in each],
        }


def rows_of(problem: str, pairs: Sequence[Pair], rivals: Sequence[Rival], rounds: int) -> Iterator[Row]:
    """A row of each rival that works in as many dimensions, after turns side by side.

    Rounds end when they have taken ``LONG`` seconds together.
    """
    turns = [Turns(rival) for rival in rivals if pairs[0].fixed.ndim in rival.dimensions]
    for turn in turns:
        try:
            importlib.import_module(turn.rival.package)
        except ImportError as error:
            turn.missing = str(error)
        if len(pairs) > 1:
            turn.take(pairs[:1], counts=False)  # what is computed once, or loaded
    begin = time.perf_counter()
    for _ in range(rounds):
        for turn in turns:
            turn.take(pairs)
        if time.perf_counter() - begin > LONG:
            break
    for turn in turns:
        yield turn.row(problem, pairs)


HEAD = "| method | error, px | worst | rmse | folding | areas | s a pair | processor s |\n|" + " --- |" * 8


def line(row: Row) -> str:
    """Of a table."""
    if "missing" in row:
        return f"| {row['method']} | not measured: {row['missing']} |"
    form = (
        "| {method} | {error:.3f} | {worst:.3f} | {rmse:.3f} | {folding:.4%} | {smallest_area:.2f} to "
        "{largest_area:.2f} | {seconds:.3f} | {processor_seconds:.3f} |"
    )
    return form.format(**row)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--volumes", type=int, nargs="*", default=[64, 128], help="edges of volumes")
    parser.add_argument("--lfw", type=Path, default=os.environ.get("CPABX_LFW"), help="the folder of LFW's View 2")
    parser.add_argument("--only", nargs="*", help="parts of names of methods")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    rows = []
    rivals = [one for one in RIVALS if arguments.only is None or any(part in one.name for part in arguments.only)]
    for problem, pairs in problems(arguments):
        print(f"\n{problem}\n\n{HEAD}", flush=True)
        for row in rows_of(problem, pairs, rivals, arguments.rounds):
            rows.append(row)
            print(line(row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
