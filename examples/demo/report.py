"""The table, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import math
import platform
from importlib.metadata import version

from experiment import Result
from protocol import BATCH, BUDGET, LEARNING_RATE, Run

import cpabx


def as_csv(results: list[Result], run: Run) -> str:
    """One row per model, one column per seed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    seeds = [f"accuracy_seed_{seed}" for seed in run.seeds]
    writer.writerow(["model", "parameters", "hidden_width", "accuracy", "standard_error", "seconds_per_epoch", *seeds])
    for r in results:
        numbers = [f"{r.mean:.4f}", f"{r.standard_error:.4f}", f"{r.seconds_per_epoch:.3f}"]
        writer.writerow([r.model.name, r.parameters, r.hidden, *numbers, *(f"{a:.4f}" for a in r.accuracies)])
    return text.getvalue()


def as_markdown(results: list[Result], run: Run, n_train: int, n_test: int, framework: str) -> str:
    """The same for people, with the gain over the CNN and its standard error."""
    plain = results[0]
    lines = [
        f"# Seven networks on distorted digits: {run.backend}",
        "",
        f"Accuracy on {n_test} test images, mean over seeds {', '.join(map(str, run.seeds))} ± its standard error. "
        f"{n_train} training images, {run.epochs} epochs, Adam with learning rate {LEARNING_RATE:g} and batches of "
        f"{BATCH}, {BUDGET} parameters within 2 % for each network. "
        "The gain is over the CNN; wins are the seeds with a gain.",
        "",
        "| model | accuracy | gain | wins | seconds per epoch | parameters |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for r in results:
        gain, wins = "", ""
        if r is not plain:
            error = math.hypot(r.standard_error, plain.standard_error)
            gain = _with_error(r.mean - plain.mean, error, "+")
            better = sum(a > b for a, b in zip(r.accuracies, plain.accuracies, strict=True))
            wins = f"{better} of {len(run.seeds)}"
        accuracy = _with_error(r.mean, r.standard_error)
        lines.append(f"| {r.model.name} | {accuracy} | {gain} | {wins} | {r.seconds_per_epoch:.2f} | {r.parameters} |")
    plugin = f"cpabx-{run.backend} {version(f'cpabx-{run.backend}')}"
    lines += ["", f"cpabx {cpabx.__version__}, {plugin}, {framework}, Python {platform.python_version()}.", ""]
    return "\n".join(lines)


def _with_error(value: float, error: float, sign: str = "") -> str:
    return f"{value:{sign}.3f}" + ("" if math.isnan(error) else f" ± {error:.3f}")
