"""What an experiment does beside training: its probe, and the files it makes of what was trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol as Interface

from cpabx.experiments import figures, pca, robustness
from cpabx.experiments.jobs import Job
from cpabx.experiments.run import Probe, Results, Run


class Finish(Interface):
    """Makes files of results; called by every process."""

    def __call__(self, run: Run, results: Results) -> dict[str, bytes]: ...


@dataclass(frozen=True)
class Kind:
    """Of experiment.

    Attributes:
        files: names of those that ``finish`` makes.
        finish: makes them.
        probe: measured after each epoch.
    """

    files: tuple[str, ...]
    finish: Finish
    probe: Probe | None = None


def _table(run: Run, results: Results) -> dict[str, bytes]:
    """Samples as each network of the first seed sees them, and curves."""
    seed = run.protocol.seeds[0]
    rows, first = [], Job(run.protocol.models[0], seed, run.protocol.training.learning_rate)
    material = run.source(first)
    shown = figures.chosen(material.test)
    given = [("as given", shown)]
    if material.before is not None:
        given.insert(0, ("before distortion", figures.chosen(material.before)))
    for job, record in results.items():
        if job.seed == seed and not record.diverged and job.network(run.protocol).transformer is not None:
            rows.append((job.model, run.trained(job).views(shown)))
    pictures = {"samples.png": figures.samples([*given, *rows])}
    return {
        name: figures.as_png(figure) for name, figure in (pictures | {"accuracy.png": figures.curves(results)}).items()
    }


TABLE = Kind(("samples.png", "accuracy.png"), _table)
KINDS = {
    "robustness": Kind(robustness.FILES, robustness.finish, robustness.probe),
    "pca": Kind(pca.FILES, pca.finish),
}


def kind(name: str) -> Kind:
    """Of the experiment with a name: a table of the paper, if it is no other."""
    return KINDS.get(name, TABLE)


#: That all kinds write.
FILES = ("results.md", "results.csv", "epochs.csv", "configuration.json")

__all__ = ["FILES", "Kind", "kind"]
