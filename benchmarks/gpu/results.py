"""What was measured, as shares of what the device can do, and beside what was computed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.gpu.estimates import DEVICES, ESTIMATES, Device, of, span
from benchmarks.gpu.tasks import OURS
from benchmarks.report import line
from benchmarks.settings import Setting

HEADINGS = (
    "setting", "displacement", "task", "who", "eager, us", "graph, us", "G points/s", "issue slots", "bandwidth",
    "same bits", "error",
)  # fmt: skip
#: What could be compared if the library had a switch for it.
NO_SWITCH = (
    "records of cells in shared memory against global memory",
    "sums of the gradient of fields in shared memory against global memory (sizes decide)",
    "rows against strips inside a kernel (points were given in either order instead)",
)


@dataclass(frozen=True)
class Result:
    """Seconds of a task: called one after the other, and replayed as a graph; None where it was not measured.

    Attributes:
        problem, no_graph: why neither was, or not the latter.
        same_bits: whether a second run gave those of the first.
        error: the largest difference from float64 on the CPU, relative to what is largest and at least 1.
    """

    setting: Setting
    displacement: float
    task: str
    who: str
    n_points: int
    eager: float | None = None
    graph: float | None = None
    n_bytes: int | None = None
    problem: str = ""
    no_graph: str = ""
    same_bits: bool | None = None
    error: float | None = None

    @property
    def seconds(self) -> float | None:
        """Of the device, as far as it is known."""
        return self.eager if self.graph is None else self.graph

    @property
    def points_per_second(self) -> float | None:
        return None if self.seconds is None else self.n_points / self.seconds

    def share_of_slots(self, device: Device) -> float | None:
        """Issue slots that the instructions which were counted take; of ours alone."""
        counted = of(self.setting, self.displacement, self.task)
        if counted is None or self.seconds is None or not self.who.startswith(OURS):
            return None
        return counted.issued(self.n_points) / self.seconds / device.slots

    def share_of_bandwidth(self, copied: float) -> float | None:
        """Of what a copy reaches, by what must be read and written at least."""
        return None if self.n_bytes is None or self.seconds is None else self.n_bytes / self.seconds / copied


@dataclass(frozen=True)
class Measured:
    """All results on a device.

    Attributes:
        copied: bytes that a copy reads and writes in a second.
        about: what the device and the software say of themselves.
    """

    device: Device
    copied: float
    about: dict[str, str]
    results: Sequence[Result]

    def of(self, setting: Setting, displacement: float, task: str) -> Result | None:
        """Ours, with points in rows."""
        wanted = (setting, displacement, task, OURS)
        return next((r for r in self.results if (r.setting, r.displacement, r.task, r.who) == wanted), None)

    def as_json(self) -> dict[str, Any]:
        results = []
        for result in self.results:
            derived = {
                "points_per_second": result.points_per_second,
                "share_of_issue_slots": result.share_of_slots(self.device),
                "share_of_bandwidth": result.share_of_bandwidth(self.copied),
            }
            results.append({**dataclasses.asdict(result), **derived})
        estimates = [dict(zip(ESTIMATE_HEADINGS, row, strict=True)) for row in self.beside_estimates()]
        about = {**self.about, "bytes copied per second": self.copied, **dataclasses.asdict(self.device)}
        return {"device": about, "results": results, "estimates": estimates, "no switch": list(NO_SWITCH)}

    def beside_estimates(self) -> list[tuple[str, ...]]:
        """A row for each of the page's: what it says, the same formula for this device, and what was measured."""
        rows = []
        for estimate in ESTIMATES:
            said = [span(*(x / 1e9 for x in estimate.points_per_second(d))) for d in (*DEVICES, self.device)]
            found = self.of(estimate.setting, estimate.displacement, estimate.task)
            speed = found.points_per_second if found else None
            used = found.share_of_slots(self.device) if found else None
            rows.append((estimate.title, *said, _number(speed, 1e-9), _percent(used)))
        return rows

    def tables(self) -> str:
        """Everything as Markdown."""
        return "\n".join(
            [
                *_table(HEADINGS, (cells(result, self.device, self.copied) for result in self.results)),
                "",
                "Estimates beside measurements, in G points/s; slots by the instructions that were counted:",
                "",
                *_table(ESTIMATE_HEADINGS, self.beside_estimates()),
                "",
                *(f"No switch: {what}." for what in NO_SWITCH),
            ]
        )


ESTIMATE_HEADINGS = (
    "what", *(f"estimate, {device.name}" for device in DEVICES), "estimate, this device", "measured", "issue slots",
)  # fmt: skip


def cells(result: Result, device: Device, copied: float) -> list[str]:
    """The texts of a row, one for each heading."""
    start = [str(result.setting), f"{result.displacement:.0%}", result.task, result.who]
    if result.problem:
        return [*start, f"not measured: {result.problem}".replace("\n", " "), *[""] * (len(HEADINGS) - 5)]
    speed = _number(result.points_per_second, 1e-9)
    shares = _percent(result.share_of_slots(device)), _percent(result.share_of_bandwidth(copied))
    graph = result.no_graph.partition("\n")[0] or _number(result.graph, 1e6)
    bits = {None: "", True: "yes", False: "no"}[result.same_bits]
    return [*start, _number(result.eager, 1e6), graph, speed, *shares, bits, _number(result.error, 1)]


def _number(value: float | None, scale: float) -> str:
    return "" if value is None else f"{value * scale:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [line(headings), line(["---"] * len(headings)), *map(line, rows)]
