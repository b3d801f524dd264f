"""Registration of images beside other packages: ``python -m benchmarks.align.images`` from the root of a clone.

    python -m benchmarks.align.images [--seeds 0 1 2] [--volumes 64 128] [--lfw FOLDER] [--json FILE]

Sixteen photographs of 128x128 pixels with known maps for each seed, six pairs of faces (if the folder of LFW's View 2
is given, or CPABX_LFW names it), and volumes with known maps. cpabx gets no option. A rival that is not installed, or
fails, is a row that says so. Each first registers one pair that is not timed. Processor seconds are those of all
threads.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.align.cases import Pair, faces, photographs, volume
from benchmarks.align.measures import measured
from benchmarks.align.rivals import RIVALS, Rival

Row = dict[str, object]


def problems(arguments: argparse.Namespace) -> Iterator[tuple[str, list[Pair]]]:
    """Names and pairs."""
    for seed in arguments.seeds:
        yield f"sixteen warps, seed {seed}", photographs(seed)
    if arguments.lfw:
        yield "faces", list(faces(arguments.lfw))
    for size in arguments.volumes:
        yield f"volume of {size}", [volume(size)]


def row_of(rival: Rival, problem: str, pairs: Sequence[Pair]) -> Row | None:
    """What a rival reaches, or why it does not; None where it does not work in as many dimensions."""
    if pairs[0].fixed.ndim not in rival.dimensions:
        return None
    row: Row = {"problem": problem, "method": rival.name}
    try:
        importlib.import_module(rival.package)
    except ImportError as error:
        return row | {"missing": str(error)}
    try:
        rival.method(pairs[:1])  # what is computed once, or loaded
        begin, used = time.perf_counter(), time.process_time()
        found = rival.method(pairs)
        seconds, processor = time.perf_counter() - begin, time.process_time() - used
    except Exception as error:  # a rival's own
        return row | {"missing": f"{type(error).__name__}: {error}"[:80]}
    each = [measured(pair, displacement) for pair, displacement in zip(pairs, found, strict=True)]
    return row | {
        "error": statistics.mean(m.error for m in each),
        "worst": max(m.error for m in each),
        "rmse": statistics.mean(m.rmse for m in each),
        "folding": statistics.mean(m.folding for m in each),
        "smallest_area": min(m.smallest_area for m in each),
        "largest_area": max(m.largest_area for m in each),
        "seconds": seconds / len(pairs),
        "processor_seconds": processor / len(pairs),
        "pairs": [asdict(m) for m in each],
    }


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
    parser.add_argument("--volumes", type=int, nargs="*", default=[64], help="edges of volumes")
    parser.add_argument("--lfw", type=Path, default=os.environ.get("CPABX_LFW"), help="the folder of LFW's View 2")
    parser.add_argument("--only", nargs="*", help="parts of names of methods")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args(given)
    rows = []
    for problem, pairs in problems(arguments):
        print(f"\n{problem}\n\n{HEAD}", flush=True)
        for rival in RIVALS:
            if arguments.only is None or any(part in rival.name for part in arguments.only):
                row = row_of(rival, problem, pairs)
                if row is not None:
                    rows.append(row)
                    print(line(row), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
