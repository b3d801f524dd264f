"""The table, as CSV and as Markdown."""

from __future__ import annotations

import csv
import io
import os
import statistics
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Row:
    """One model: its size, and an accuracy and a time for every seed."""

    model: str
    n_params: int
    accuracies: list[float] = field(default_factory=list)
    seconds_per_epoch: list[float] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return statistics.mean(self.accuracies)

    @property
    def standard_error(self) -> float:
        n = len(self.accuracies)
        return statistics.stdev(self.accuracies) / n**0.5 if n > 1 else float("nan")


def write(path: Path, content: str | bytes) -> None:
    """All of the file or nothing."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(partial, path)


def to_csv(rows: list[Row], seeds: list[int]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    by_seed = [f"accuracy seed {seed}" for seed in seeds]
    writer.writerow(["model", "parameters", "accuracy", "standard error", *by_seed, "seconds per epoch"])
    for row in rows:
        each = [f"{accuracy:.4f}" for accuracy in row.accuracies]
        seconds = statistics.median(row.seconds_per_epoch)
        writer.writerow(
            [row.model, row.n_params, f"{row.mean:.4f}", f"{row.standard_error:.4f}", *each, f"{seconds:.3f}"]
        )
    return out.getvalue()


def to_markdown(rows: list[Row], seeds: list[int]) -> str:
    lines = [
        f"| model | parameters | accuracy (mean ± standard error of {len(seeds)} seeds) | worst seed | seconds per epoch |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        seconds = statistics.median(row.seconds_per_epoch)
        accuracy = f"{row.mean:.3f} ± {row.standard_error:.3f}"
        lines.append(f"| {row.model} | {row.n_params} | {accuracy} | {min(row.accuracies):.3f} | {seconds:.2f} |")
    return "\n".join(lines) + "\n"
