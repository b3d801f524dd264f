"""Rows of the table, what is to be reached, and both as Markdown."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

NOTE = """
Medians of {rounds} rounds, in which the contestants took turns; float32. Percentages are mean displacements in units
of the domain. Where there is nothing to reach, the figure is other / cpabx. Errors are against float64: of points in
units of the domain, of images in units of their range."""
HEADINGS = ("workload", "task", "threads", "cpabx", "other", "measured", "to reach", "error, max (mean)")


@dataclass(frozen=True)
class Measured:
    """One contestant's share of a row: a value per round, and errors if they are known."""

    name: str
    values: list[float]
    errors: tuple[float, float] | None = None

    @property
    def median(self) -> float:
        return statistics.median(self.values)


class Target(Protocol):
    """What is to be reached, for the medians of ours and the other."""

    def value(self, ours: float, other: float) -> float: ...

    def met(self, value: float) -> bool: ...


@dataclass(frozen=True)
class TimesLess:
    """The other takes at least this many times as much as we do."""

    least: float

    def value(self, ours: float, other: float) -> float:
        return other / ours

    def met(self, value: float) -> bool:
        return value >= self.least

    def __str__(self) -> str:
        return f"other / cpabx >= {self.least:.3g}"


@dataclass(frozen=True)
class TimesMore:
    """We take at most this many times as much as the other."""

    most: float

    def value(self, ours: float, other: float) -> float:
        return ours / other

    def met(self, value: float) -> bool:
        return value <= self.most

    def __str__(self) -> str:
        return f"cpabx / other <= {self.most:.3g}"


@dataclass(frozen=True)
class AtMost:
    """We take at most this, whatever others do."""

    most: float
    unit: str

    def value(self, ours: float, other: float) -> float:
        return ours

    def met(self, value: float) -> bool:
        return value <= self.most

    def __str__(self) -> str:
        return f"<= {quantity(self.most, self.unit)}"


@dataclass(frozen=True)
class Row:
    """One comparison, or the reason why it was not made.

    Attributes:
        workload, task: what was done.
        threads: how many each contestant may use.
        ours, other: the contestants, if they ran.
        target: what is to be reached. Rows with a unit but no target show how many times as much the other takes.
        count, counted: what one run consists of, such as points, for the time of one.
        unit: of the values: "s", "MiB" or "".
        problem: why nothing was measured.
    """

    workload: str
    task: str
    threads: int = 1
    ours: Measured | None = None
    other: Measured | None = None
    target: Target | None = None
    count: float | None = None
    counted: str = "point"
    unit: str = "s"
    problem: str = ""

    @property
    def value(self) -> float | None:
        """The number that the target is about."""
        shown = self.target or (TimesLess(0) if self.unit and self.other else None)
        if self.ours is None or shown is None:
            return None
        return shown.value(self.ours.median, self.other.median if self.other else math.nan)

    @property
    def met(self) -> bool | None:
        """None if there is nothing to reach, or nothing was measured."""
        return None if self.target is None or self.value is None else self.target.met(self.value)

    def as_json(self) -> dict[str, Any]:
        """Numbers that are not finite, for which JSON has no form, as texts."""
        target = None if self.target is None else str(self.target)
        found: dict[str, Any] = _plain(
            dataclasses.asdict(self) | {"target": target, "value": self.value, "met": self.met}
        )
        return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


@dataclass
class Report:
    """Rows as they come, printed at once."""

    machine: dict[str, str]
    rounds: int
    rows: list[Row] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether all that was asked for was measured."""
        return bool(self.rows) and not any(row.problem for row in self.rows)

    def begin(self) -> None:
        for name, value in self.machine.items():
            print(f"* {name}: {value}")
        print(NOTE.format(rounds=self.rounds))
        _print_heading()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        _print_row(row)

    def end(self) -> None:
        """Once more the rows with something to reach."""
        aimed = [row for row in self.rows if row.target is not None]
        if aimed:
            print(f"\n{sum(bool(row.met) for row in aimed)} of {len(aimed)} targets are met:")
            _print_heading()
            for row in aimed:
                _print_row(row)

    def as_json(self) -> dict[str, Any]:
        rows = [row.as_json() for row in self.rows]
        return {"machine": self.machine, "rounds": self.rounds, "rows": rows}


def _print_heading() -> None:
    print()
    print(line(HEADINGS))
    print(line(["---"] * len(HEADINGS)), flush=True)


def _print_row(row: Row) -> None:
    print(line(cells(row)), flush=True)


def line(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"


def cells(row: Row) -> list[str]:
    """The texts of a row, one per heading."""
    target = "" if row.target is None else str(row.target)
    shares = [_share(row, contestant) for contestant in (row.ours, row.other)]
    verdict = f"not measured: {row.problem}".replace("\n", " ") if row.problem else _verdict(row)
    return [row.workload, row.task, str(row.threads), *shares, verdict, target, _errors(row)]


def _share(row: Row, contestant: Measured | None) -> str:
    if contestant is None:
        return ""
    text = quantity(contestant.median, row.unit)
    if contestant is row.other:
        return f"{contestant.name}: {text}"
    return text + (f", {contestant.median / row.count * 1e9:.3g} ns a {row.counted}" if row.count else "")


def quantity(value: float, unit: str) -> str:
    """With three digits, and few seconds in ms."""
    if unit == "s" and value < 1:
        return f"{value * 1e3:.3g} ms"
    return f"{value:.3g} {unit}".rstrip()


def _verdict(row: Row) -> str:
    if row.value is None:
        return ""
    number = quantity(row.value, row.unit if isinstance(row.target, AtMost) else "")
    return number + {True: ", met", False: ", **not met**", None: " times"}[row.met]


def _errors(row: Row) -> str:
    known = [(c.name, c.errors) for c in (row.ours, row.other) if c is not None and c.errors is not None]
    return "; ".join(f"{name} {most:.1e} ({mean:.1e})" for name, (most, mean) in known)
