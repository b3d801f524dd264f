"""A progress bar with the time that is left."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.jobs import Job, jobs
from cpabx_experiments.training.records import Record, Row
from cpabx_experiments.training.run import Tick


class Estimate:
    """Seconds that the epochs not yet done will take, from those that are: models differ, seeds do not."""

    def __init__(self, protocol: Protocol) -> None:
        self._epochs = protocol.training.epochs
        self._left = dict.fromkeys(jobs(protocol), self._epochs)
        self._seconds: dict[str, list[float]] = {}

    def note(self, job: Job, record: Record) -> None:
        self._left[job] = 0 if record.finished(self._epochs) else self._epochs - len(record.rows)
        self._seconds.setdefault(job.model, []).extend(map(_seconds, record.rows[-1:]))

    @property
    def done(self) -> int:
        """Epochs."""
        return sum(self._epochs - left for left in self._left.values())

    @property
    def seconds_left(self) -> float | None:
        """None before the first epoch."""
        known = {model: statistics.mean(found) for model, found in self._seconds.items() if found}
        if not known:
            return None
        other = statistics.mean(known.values())
        return sum(left * known.get(job.model, other) for job, left in self._left.items())


def _seconds(row: Row) -> float:
    return row.seconds + (row.test_seconds or 0)


def duration(seconds: float | None) -> str:
    """For people: 1:02:03, or 2:03; unknown is ``-:--``."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def bar(protocol: Protocol) -> Iterator[Tick]:
    """Shows one on the terminal for as long as the context lasts; prints a line for each finished training."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    estimate, epochs = Estimate(protocol), protocol.training.epochs
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} epochs"))
    with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[left]} left")) as progress:
        task = progress.add_task("", total=len(jobs(protocol)) * epochs, left=duration(None))

        def tick(job: Job, record: Record) -> None:
            estimate.note(job, record)
            left = duration(estimate.seconds_left)
            progress.update(task, description=f"{job.model}, seed {job.seed}", completed=estimate.done, left=left)
            if record.finished(epochs):
                result = "diverged" if record.accuracy is None else f"accuracy {record.accuracy:.4f}"
                progress.console.print(
                    f"seed {job.seed}  rate {job.rate:g}  {job.model:<19} {result}", highlight=False, markup=False
                )

        yield tick


__all__ = ["Estimate", "bar", "duration"]
