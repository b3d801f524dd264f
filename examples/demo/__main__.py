"""Train the seven networks of the paper's section 5 on distorted digits; write a table and a picture.

python examples/demo [--backend torch|tensorflow] [--out demo] [--seeds 3] [--epochs 20] [--quick]
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path
from typing import Any

import data
import report
from protocol import EPOCHS, MODELS

import cpabx
from cpabx.errors import CpabxError

EXTRAS = ("sklearn", "matplotlib", "rich")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python examples/demo", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--backend", default="torch", choices=["torch", "tensorflow"])
    parser.add_argument("--out", type=Path, default=Path("demo"), help="directory for table and picture")
    parser.add_argument("--seeds", type=_positive, default=3, help="how many times each model is trained")
    parser.add_argument("--epochs", type=_positive, default=EPOCHS)
    parser.add_argument("--quick", action="store_true", help="one epoch on a few images: does everything run?")
    return parser.parse_args(argv)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is less than 1")
    return value


def train_all(run: Any, digits: tuple[data.Digits, data.Digits], seeds: list[int], epochs: int) -> tuple[Any, Any]:
    """A row per model, and per transformer what it makes of ten test digits."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    training, test = digits
    rows = {name: report.Row(name, 0) for name in MODELS}
    pictures = {"as given": test.first(10).images[..., 0]}
    text = TextColumn("{task.description}")
    with Progress(text, BarColumn(), MofNCompleteColumn(), TextColumn("epochs,"), TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=len(seeds) * len(MODELS) * epochs)
        for seed in seeds:
            for name, layer in MODELS.items():
                progress.update(task, description=f"{name}, seed {seed}")
                model = run.build(layer, seed)
                row = rows[name]
                row.n_params = run.n_params(model)
                row.seconds_per_epoch.append(run.train(model, training, epochs, seed, lambda: progress.advance(task)))
                row.accuracies.append(run.accuracy(model, test))
                if layer and seed == seeds[0]:
                    pictures[name] = run.seen(model, test.first(10))
    return list(rows.values()), pictures


def main(argv: list[str] | None = None) -> int:
    chosen = arguments(argv)
    if chosen.out.exists() and not chosen.out.is_dir():
        print(f"--out must be a directory, but {chosen.out} is a file; name another.", file=sys.stderr)
        return 2
    missing = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
    if missing:
        print(f"missing: {', '.join(missing)}. Install: pip install scikit-learn matplotlib rich", file=sys.stderr)
        return 2
    try:
        cpabx.set_backend(chosen.backend)
    except CpabxError as error:
        print(error, file=sys.stderr)
        return 2
    import picture

    start = time.perf_counter()
    run = importlib.import_module(f"run_{chosen.backend}")
    training, test = data.load()
    seeds, epochs = list(range(chosen.seeds)), chosen.epochs
    if chosen.quick:
        training, test, seeds, epochs = training.first(100), test.first(100), [0], 1
    rows, pictures = train_all(run, (training, test), seeds, epochs)
    chosen.out.mkdir(parents=True, exist_ok=True)
    table = report.to_markdown(rows, seeds)
    report.write(chosen.out / "accuracy.csv", report.to_csv(rows, seeds))
    report.write(chosen.out / "accuracy.md", table)
    report.write(chosen.out / "digits.png", picture.draw(pictures))
    minutes = (time.perf_counter() - start) / 60
    print(f"{table}\n{minutes:.1f} minutes with {cpabx.get_backend().framework_version}; written to {chosen.out}/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
