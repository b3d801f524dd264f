"""Trains every job of an experiment, and goes on where it was stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cpabx_experiments.data.dataset import Array
from cpabx_experiments.protocol.augmentation import augment
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.jobs import Job, jobs
from cpabx_experiments.protocol.material import Material, Source
from cpabx_experiments.training import records
from cpabx_experiments.training.engines import Engine, Trainer, TrainingDivergedError
from cpabx_experiments.training.records import Record, Row

#: Called with a job and its record before each epoch and after the last.
Tick = Callable[[Job, Record], None]

#: Measures a network after an epoch: name to number.
Probe = Callable[[Trainer, Material], dict[str, float]]

Results = dict[Job, Record]

#: Below the folder of results.
FOLDER = "checkpoints"


@dataclass(frozen=True)
class Run:
    """An experiment in one folder, with one framework.

    Attributes:
        protocol: what is trained.
        engine: what trains it; of several processes, each has its own, and process 0 writes.
        source: the data of each job.
        out: folder of the results; checkpoints are below it.
        probe: measured after each epoch.
        show: (n, H, W, C) pictures that are of no data set, to be shown as each network sees them.
    """

    protocol: Protocol
    engine: Engine
    source: Source
    out: Path
    probe: Probe | None = None
    show: Array | None = None

    def trainer(self, job: Job) -> Trainer:
        """At the start of its training."""
        change = augment if self.protocol.augmented else None
        return self.engine.trainer(job.network(self.protocol), job.training(self.protocol), job.seed, change)

    def trained(self, job: Job) -> Trainer:
        """At its end, from the checkpoint."""
        trainer = self.trainer(job)
        trainer.load(weights_of(self.out, job))
        return trainer


def weights_of(out: Path, job: Job) -> Path:
    return out / FOLDER / f"{job.stem}.npz"


def record_of(out: Path, job: Job) -> Path:
    return out / FOLDER / f"{job.stem}.json"


def _silent(job: Job, record: Record) -> None:
    pass


def perform(run: Run, tick: Tick = _silent) -> Results:
    """Trains what is not trained yet. Whatever interrupts it, the next call goes on after the last whole epoch.

    Raises:
        CheckpointError: a checkpoint is damaged, or of another training.
        ExperimentError: a record is damaged, or a file cannot be written.
    """
    return {job: _train(run, job, tick) for job in jobs(run.protocol)}


def _train(run: Run, job: Job, tick: Tick) -> Record:
    record = records.read(record_of(run.out, job))
    if record is None or not record.complete:
        trainer = run.trainer(job)
        record = _resumed(run, job, trainer, record)
        material = run.source(job)
        while not record.finished(run.protocol.training.epochs):
            tick(job, record)
            _epoch(run, job, trainer, material, record)
        record.complete = True
        _write(run, job, record)
    tick(job, record)
    return record


def _resumed(run: Run, job: Job, trainer: Trainer, record: Record | None) -> Record:
    """What the checkpoint knows of the record, and the trainer where the checkpoint left it."""
    weights = weights_of(run.out, job)
    if record is None or not weights.exists():
        return Record(trainer.parameters)
    trainer.load(weights)
    return Record(trainer.parameters, record.rows[: trainer.epoch])


def _epoch(run: Run, job: Job, trainer: Trainer, material: Material, record: Record) -> None:
    """Trains for one, and writes the record first: a checkpoint without its record could not go on."""
    try:
        record.rows.append(_row(run, trainer, material))
    except TrainingDivergedError as error:
        record.diverged = str(error)
    _write(run, job, record)
    if not record.diverged:
        trainer.save(weights_of(run.out, job))


def _write(run: Run, job: Job, record: Record) -> None:
    if run.engine.rank == 0:
        record.write(record_of(run.out, job))


def _row(run: Run, trainer: Trainer, material: Material) -> Row:
    epoch = trainer.train(material.train)
    test, start = None, time.perf_counter()
    if trainer.epoch % run.protocol.every == 0 or trainer.epoch == run.protocol.training.epochs:
        test = trainer.accuracy(material.test)
    seconds = time.perf_counter() - start if test is not None else None
    probes = run.probe(trainer, material) if run.probe else {}
    return Row(epoch.loss, epoch.accuracy, epoch.seconds, test, seconds, probes)


__all__ = ["FOLDER", "Probe", "Results", "Run", "Tick", "perform", "record_of", "weights_of"]
