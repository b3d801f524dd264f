"""What is known of a training: one small file per job, beside its checkpoint."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path

from cpabx_experiments import reading
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.files import write

#: Bytes of a record: a thousand epochs have less than one.
MOST = 16 << 20


@dataclass(frozen=True)
class Row:
    """One epoch.

    Attributes:
        loss, accuracy: means over the epoch's training images, each as the network was when it saw it.
        seconds: of training.
        test: accuracy on the test set after the epoch; None where it was not asked.
        test_seconds: that this took.
        probes: what an experiment measures beside: name to number.
    """

    loss: float
    accuracy: float
    seconds: float
    test: float | None = None
    test_seconds: float | None = None
    probes: dict[str, float] = field(default_factory=dict)


@dataclass
class Record:
    """One training.

    Attributes:
        parameters: of the network.
        rows: of its epochs.
        diverged: why it ended early, if it did.
        complete: there is nothing left to do: the checkpoint of the last epoch is written, too.
    """

    parameters: int
    rows: list[Row] = field(default_factory=list)
    diverged: str = ""
    complete: bool = False

    @property
    def accuracy(self) -> float | None:
        """On the test set, after the last epoch: no epoch is chosen by it. None if training diverged, or goes on."""
        return self.rows[-1].test if self.rows and not self.diverged else None

    @property
    def seconds(self) -> float:
        """How long training took."""
        return sum(row.seconds for row in self.rows)

    def finished(self, epochs: int) -> bool:
        return bool(self.diverged) or len(self.rows) == epochs

    def write(self, path: Path) -> None:
        """All or nothing."""
        write(path, json.dumps(dataclasses.asdict(self), indent=1).encode())


def read(path: Path) -> Record | None:
    """A record that was written, or None where there is none.

    Raises:
        ExperimentError: the file is damaged.
    """
    try:
        found = json.loads(reading.content(path, MOST))
        rows = [Row(**row) for row in found["rows"]]
        return Record(found["parameters"], rows, found["diverged"], found["complete"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise ExperimentError(f"{path} must be a record of a training", problem, "Start over with --fresh.") from error


__all__ = ["Record", "Row", "read"]
