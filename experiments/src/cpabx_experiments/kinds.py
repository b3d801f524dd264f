"""What an experiment does beside training: its probe, and the files it makes of what was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol as Interface

from cpabx_experiments.data.dataset import Array
from cpabx_experiments.output import figures
from cpabx_experiments.probes import pca, robustness
from cpabx_experiments.protocol.jobs import Job
from cpabx_experiments.training.engines import Trainer
from cpabx_experiments.training.run import Probe, Results, Run


class Finish(Interface):
    """Makes files of results; called by every process."""

    def __call__(self, run: Run, results: Results) -> dict[str, bytes]: ...


@dataclass(frozen=True)
class Kind:
    """A kind of experiment.

    Attributes:
        files: names of those that ``finish`` makes.
        finish: makes them.
        probe: measured after each epoch.
    """

    files: tuple[str, ...]
    finish: Finish
    probe: Probe | None = None


def _table(run: Run, results: Results) -> dict[str, bytes]:
    """Samples, and the user's pictures, as each network of the first seed sees them; and curves."""
    seed = run.protocol.seeds[0]
    trained = [
        (job.model, run.trained(job))
        for job, record in results.items()
        if job.seed == seed and not record.diverged and job.network(run.protocol).transformer is not None
    ]
    material = run.source(Job(run.protocol.models[0], seed, run.protocol.training.learning_rate))
    before = [] if material.before is None else [("before distortion", figures.chosen(material.before))]
    found = {"samples.png": figures.samples([*before, *_seen(trained, figures.chosen(material.test))])}
    if run.show is not None:
        found[OWN] = figures.side_by_side(_seen(trained, run.show))
    found["accuracy.png"] = figures.curves(results)
    return {name: figures.as_png(figure) for name, figure in found.items()}


def _seen(trained: Sequence[tuple[str, Trainer]], images: Array) -> list[tuple[str, Array]]:
    """Named images: as they are, and as each network sees them."""
    return [("as given", images), *((model, trainer.views(images)) for model, trainer in trained)]


#: The picture of the user's own.
OWN = "shown.png"

TABLE = Kind(("samples.png", "accuracy.png"), _table)
KINDS = {
    "robustness": Kind(robustness.FILES, robustness.finish, robustness.probe),
    "pca": Kind(pca.FILES, pca.finish),
}


def kind(name: str) -> Kind:
    """The kind of the experiment with a name: a table of the paper, if it is no other."""
    return KINDS.get(name, TABLE)


def shows_samples(name: str) -> bool:
    """Whether the experiment with a name shows what its networks see, and so can show other pictures, too."""
    return name != "speed" and kind(name) is TABLE


#: That all kinds write.
FILES = ("results.md", "results.csv", "epochs.csv", "configuration.json")

__all__ = ["FILES", "OWN", "Kind", "kind", "shows_samples"]
