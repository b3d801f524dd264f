"""Tables: CSV of every epoch and of every training, Markdown with the paper's figures beside ours."""

from __future__ import annotations

import csv
import io
import math
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version

import cpabx
from cpabx_experiments.data import digits
from cpabx_experiments.output.results import Line, lines
from cpabx_experiments.protocol.experiments import FULL, Protocol
from cpabx_experiments.protocol.paper import Figure, figures
from cpabx_experiments.training.engines import Engine
from cpabx_experiments.training.run import Results


def as_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """Numbers with all their digits; nothing where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def epochs_csv(results: Results) -> bytes:
    """A line per epoch of each training."""
    probes = list(dict.fromkeys(name for record in results.values() for row in record.rows for name in row.probes))
    header = ["model", "learning_rate", "seed", "epoch", "loss", "training_accuracy", "test_accuracy", "seconds"]
    rows = [
        [job.model, job.rate, job.seed, epoch, row.loss, row.accuracy, row.test, row.seconds]
        + [row.probes.get(name) for name in probes]
        for job, record in results.items()
        for epoch, row in enumerate(record.rows, 1)
    ]
    return as_csv([*header, *probes], rows)


def results_csv(results: Results) -> bytes:
    """A line per training."""
    header = ["model", "learning_rate", "seed", "parameters", "test_accuracy", "training_seconds", "diverged"]
    rows = [
        [*(job.model, job.rate, job.seed, record.parameters, record.accuracy), record.seconds, record.diverged]
        for job, record in results.items()
    ]
    return as_csv(header, rows)


def table(name: str, results: Results) -> str:
    """Markdown, a line per network."""
    papers, found = figures(name), lines(results)
    rates = len({line.rate for line in found}) > 1
    header = ["model", *(["learning rate"] if rates else []), "paper", "accuracy", "gain over CNN", "seeds with a gain"]
    header += ["diverged", "parameters", "seconds per epoch", "training", "paper's training"]
    rows = [_cells(line, papers.get(line.model), rates=rates) for line in found]
    used = [i for i in range(len(header)) if any(row[i] for row in rows)]
    return markdown([header[i] for i in used], [[row[i] for i in used] for row in rows])


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    body = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(row)} |\n" for row in body)


def _cells(line: Line, paper: Figure | None, *, rates: bool) -> list[str]:
    cells = [line.model, f"{line.rate:g}"] if rates else [line.model]
    cells += [_paper(paper), str(line.accuracy), _gain(line), f"{line.wins} of {line.gain.n}" if line.gain.n else ""]
    cells += [f"{line.diverged}" if line.diverged else "", f"{line.parameters:,}", _number(line.epoch_seconds, ".2f")]
    return [*cells, _number(line.seconds, ".0f", " s"), f"{paper.seconds:.0f} s" if paper and paper.seconds else ""]


def _paper(paper: Figure | None) -> str:
    if paper is None:
        return ""
    return f"{paper.accuracy:.4f} ± {paper.standard_error:.4f}" if paper.standard_error else f"{paper.accuracy:.3f}"


def _gain(line: Line) -> str:
    return ("+" if line.gain.value >= 0 else "") + str(line.gain) if line.gain.n else ""


def _number(value: float, form: str, unit: str = "") -> str:
    return "" if math.isnan(value) else f"{value:{form}}{unit}"


def results_md(name: str, protocol: Protocol, results: Results, engine: Engine, *, full: bool) -> str:
    """The table, and how it came about."""
    return f"# {name}\n\n{described(name, protocol, full=full)}\n\n{table(name, results)}\n{versions_line(engine)}\n"


def described(name: str, protocol: Protocol, *, full: bool) -> str:
    """The protocol in a few sentences."""
    training, papers = protocol.training, figures(name)
    train = f"{2 * protocol.formed} pairs formed" if protocol.formed else "all training images"
    rates = ", ".join(f"{rate:g}" for rate in protocol.rates or (training.learning_rate,))
    which = "full " if full else "reduced " if name in FULL else ""
    parts = [
        f"The {which}protocol: {train if protocol.train is None else protocol.train} "
        f"to train on, {'the whole test set' if protocol.test is None else protocol.test} to test on, "
        f"{training.epochs} epochs, Adam with a learning rate of {rates} ({training.schedule}), batches of "
        f"{training.batch}, dropout {training.dropout:g}, seeds {', '.join(map(str, protocol.seeds))}.",
        "Accuracies are those after the last epoch, on the test set: mean over seeds ± its standard error.",
        "Gains are over the CNN of the same seed.",
    ]
    if protocol.data == "lfw":
        parts.append("Seed n is tested on fold n of View 2 and trained on the nine others.")
    if protocol.data == "digits":
        parts.append(f"The test set is {digits.TEST} digits, each distorted in {digits.COPIES} ways.")
    if protocol.view:
        parts.append(f"Classifiers see {protocol.view[0]}x{protocol.view[1]} pixels.")
    if protocol.basis != "orthonormal":
        parts.append(f"The theta of CPAB is that of its {protocol.basis} basis.")
    if papers:
        parts.append(f"The paper's figures are those of its {next(iter(papers.values())).table}.")
    return " ".join(parts)


def versions(engine: Engine) -> dict[str, str]:
    """The versions of all that has a part in the numbers."""
    plugin = f"cpabx-{engine.name}"
    return {
        "cpabx": cpabx.__version__,
        plugin: version(plugin),
        "framework": engine.version,
        "numpy": version("numpy"),
        "python": platform.python_version(),
    }


def versions_line(engine: Engine) -> str:
    found = versions(engine)
    framework = found.pop("framework")
    return ", ".join([framework, *(f"{name} {number}" for name, number in found.items())]) + "."


__all__ = [
    "as_csv",
    "described",
    "epochs_csv",
    "markdown",
    "results_csv",
    "results_md",
    "table",
    "versions",
    "versions_line",
]
