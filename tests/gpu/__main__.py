"""Everything that is run on a real GPU, within ten minutes and without network: ``python -m tests.gpu``.

It is what ``nox -s gpu`` does, and needs no nox: a Python with torch, pytest and what cpabx needs, CMake, nvcc, and a
GPU with its driver. What is missing is said before anything starts. Nothing is installed.

    python -m tests.gpu [--out FOLDER] [--json FILE] [--only STEP ...] [--seconds 600]
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from tests.gpu import machine as machines
from tests.gpu import sources
from tests.gpu.runner import Runner, table
from tests.gpu.steps import SECONDS, steps

ROOT = Path(__file__).resolve().parents[2]


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.gpu", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--out", type=Path, default=ROOT / ".nox" / "gpu", help="a folder for what is built and printed"
    )
    parser.add_argument("--json", type=Path, help="a file for results and measurements; FOLDER/gpu.json by default")
    parser.add_argument("--only", nargs="+", metavar="STEP", help="steps to run, of those in the closing table")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for all steps")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Returns 0 if all steps passed but for those that this machine cannot do, 2 if nothing was started."""
    chosen = parse(arguments)
    found = machines.find()
    if missing := found.missing():
        print("A run on a GPU needs what is not here:", *missing, sep="\n  - ", file=sys.stderr)
        return 2
    out = chosen.out.resolve()
    build, benchmark = out / "build", out / "benchmark.json"
    benchmark.unlink(missing_ok=True)
    env = sources.environment(ROOT, out / "metadata", build)
    wanted = steps(found, ROOT, build, benchmark, env)
    names = [step.name for step in wanted]
    if unknown := set(chosen.only or ()) - set(names):
        print(f"no step is called {', '.join(sorted(unknown))}; there are {', '.join(names)}", file=sys.stderr)
        return 2
    for name, value in asdict(found).items():
        print(f"* {name}: {value}")
    needed = {"build", *(chosen.only or names)}
    runner = Runner(chosen.seconds, out / "printed", {})
    results = runner.run(step for step in wanted if step.name in needed)
    print(f"\n{table(results)}\nWhat the steps printed is in {out / 'printed'}.")
    told = {
        "machine": asdict(found),
        "steps": [result.as_json() for result in results],
        "benchmark": json.loads(benchmark.read_text(encoding="utf-8")) if benchmark.exists() else None,
    }
    target = chosen.json or out / "gpu.json"
    target.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    print(f"All of it, with what was measured: {target}")
    return 0 if all(result.fine for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
