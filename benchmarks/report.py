"""Rows of the table, what is to be reached, and both as Markdown."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.timing import median

HEADINGS = ("workload", "task", "threads", "cpabx", "other", "to reach", "measured", "error, max (mean)")


@dataclass(frozen=True)
class Measured:
    """What one contestant took: a value per round, in seconds or MiB, and its errors in units of the domain."""

    name: str
    values: list[float]
    error_max: float | None = None
    error_mean: float | None = None

    @property
    def median(self) -> float:
        return median(self.values)


class Target(Protocol):
    """What is to be reached."""

    def value(self, ours: float, other: float) -> float: ...
    def met(self, ours: float, other: float) -> bool: ...


@dataclass(frozen=True)
class TimesFaster:
    """The other takes at least this many times as much."""

    least: float

    def value(self, ours: float, other: float) -> float:
        return other / ours

    def met(self, ours: float, other: float) -> bool:
        return self.value(ours, other) >= self.least

    def __str__(self) -> str:
        return f">= {self.least:g} times faster"


@dataclass(frozen=True)
class TimesAsMuch:
    """We take at most this many times as much as the other."""

    most: float

    def value(self, ours: float, other: float) -> float:
        return ours / other

    def met(self, ours: float, other: float) -> bool:
        return self.value(ours, other) <= self.most

    def __str__(self) -> str:
        return f"<= {self.most:g} times the other"


@dataclass(frozen=True)
class AtMost:
    """We take at most this, whatever others do."""

    most: float
    unit: str

    def value(self, ours: float, other: float) -> float:
        return ours

    def met(self, ours: float, other: float) -> bool:
        return ours <= self.most

    def __str__(self) -> str:
        return f"<= {self.most:.4g} {self.unit}"


@dataclass(frozen=True)
class Row:
    """One comparison, or the reason why it was not made.

    Attributes:
        workload, task: what was done.
        threads: how many each contestant may use.
        ours, other: the contestants; a row may have one, or none if there is a problem.
        target: what is to be reached. Other rows show how many times faster we are.
        n_moved: points moved in one run, for the time of one.
        unit: of the values, "s" or "MiB".
        problem: why nothing was measured.
    """

    workload: str
    task: str
    threads: int = 1
    ours: Measured | None = None
    other: Measured | None = None
    target: Target | None = None
    n_moved: int | None = None
    unit: str = "s"
    problem: str = ""

    @property
    def measured(self) -> float | None:
        """The number that the target is about; without one, how many times faster we are."""
        if self.ours is None or (self.other is None and not isinstance(self.target, AtMost)):
            return None
        other = self.other.median if self.other else float("nan")
        return (self.target or TimesFaster(0)).value(self.ours.median, other)

    @property
    def met(self) -> bool | None:
        """None if there is nothing to reach, or nothing was measured."""
        if self.target is None or self.ours is None or self.measured is None:
            return None
        return self.target.met(self.ours.median, self.other.median if self.other else float("nan"))

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {
            "target": None if self.target is None else str(self.target),
            "measured": self.measured,
            "met": self.met,
        }


@dataclass
class Report:
    """Rows as they come, printed at once."""

    machine: dict[str, str]
    rows: list[Row] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return bool(self.rows) and not any(row.problem for row in self.rows)

    def begin(self) -> None:
        print(", ".join(f"{name} {value}" for name, value in self.machine.items()) + "\n")
        print(line(HEADINGS))
        print(line(["---"] * len(HEADINGS)), flush=True)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self.rows.append(row)
            print(line(cells(row)), flush=True)

    def as_json(self) -> dict[str, Any]:
        return {"machine": self.machine, "rows": [row.as_json() for row in self.rows]}


def line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def cells(row: Row) -> list[str]:
    """The texts of a row, one per heading."""
    start = [row.workload, row.task, str(row.threads)]
    if row.problem:
        return [*start, "", "", str(row.target or ""), f"not measured: {row.problem}", ""]
    shares = [_share(row, contestant) for contestant in (row.ours, row.other)]
    return [*start, *shares, str(row.target or ""), _verdict(row), _errors(row)]


def _share(row: Row, contestant: Measured | None) -> str:
    if contestant is None:
        return ""
    text = quantity(contestant.median, row.unit)
    if contestant is row.ours:
        return text + (f", {contestant.median / row.n_moved * 1e9:.3g} ns a point" if row.n_moved else "")
    return f"{contestant.name}: {text}"


def quantity(value: float, unit: str) -> str:
    """With three digits, seconds in ms if they are few."""
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} {unit}"


def _verdict(row: Row) -> str:
    if row.measured is None:
        return ""
    if isinstance(row.target, AtMost):
        number = quantity(row.measured, row.unit)
    else:
        number = f"{row.measured:.3g} times" + ("" if row.target else " faster")
    return number + {True: ", met", False: ", **not met**", None: ""}[row.met]


def _errors(row: Row) -> str:
    known = [c for c in (row.ours, row.other) if c is not None and c.error_max is not None]
    return "; ".join(f"{c.name} {c.error_max:.1e} ({c.error_mean:.1e})" for c in known)
