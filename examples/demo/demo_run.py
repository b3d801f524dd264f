"""From options to files, with a progress bar."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import data
import picture
import report
from experiment import Result, carry_out, framework
from options import DemoError
from protocol import MODELS, Run
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def perform(run: Run, out: Path, threads: int) -> None:
    """Train, then write all files or none."""
    from cpabx.errors import CpabxError

    console, start = Console(), time.perf_counter()
    try:
        models = framework(run.backend, threads)
    except CpabxError as error:
        raise DemoError(str(error)) from error
    train, test = data.load(run.train_digits, run.test_digits)
    with _progress(console) as progress:
        task = progress.add_task("", total=len(run.seeds) * run.epochs * sum(model.cost for model in MODELS))

        def tick(result: Result, seed: int) -> None:
            progress.update(task, advance=result.model.cost, description=f"seed {seed}, {result.model.name}")

        def done(result: Result, seed: int) -> None:
            line = f"seed {seed}  {result.model.name:<15} accuracy {result.accuracies[-1]:.3f}"
            progress.console.print(line, highlight=False)

        results = carry_out(run, models, train, test, tick=tick, done=done)
    table = report.as_markdown(results, run, len(train.labels), len(test.labels), models.VERSION)
    files = {
        f"accuracy_{run.backend}.csv": report.as_csv(results, run).encode(),
        f"accuracy_{run.backend}.md": table.encode(),
        f"digits_{run.backend}.png": picture.as_png(picture.draw(results, test)),
    }
    write_all(out, files)
    console.print(table, markup=False, highlight=False, soft_wrap=True)
    names = ", ".join(str(out / name) for name in files)
    console.print(f"Wrote {names} after {time.perf_counter() - start:.0f} s.", markup=False, soft_wrap=True)


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description:<26}"), BarColumn(None), TextColumn("{task.percentage:>3.0f} %"))
    left = (TextColumn("elapsed"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    # Models differ in speed by more than their costs say: look back over several of them.
    return Progress(*columns, *left, console=console, speed_estimate_period=120)


def write_all(out: Path, files: dict[str, bytes]) -> None:
    """Write files beside their places first and move them there when all are complete."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=".writing-") as folder:
            for name, content in files.items():
                (Path(folder) / name).write_bytes(content)
            for name in files:
                os.replace(Path(folder) / name, out / name)
    except OSError as error:
        raise DemoError(f"cannot write to --out {str(out)!r}: {error}.") from error
