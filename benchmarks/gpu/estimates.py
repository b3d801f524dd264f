"""What was computed of the speed on GPUs before any had run it: the table of docs/cuda.md, which a test compares.

    python -m benchmarks.gpu.estimates

Instructions were counted in a prototype of the kernels, as PTX that a warp issues for 32 points: for points in rows of
an image, and in strips of four rows, column by column. Two numbers are assumptions, which the first run replaces.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.settings import LARGE, PLANE, Setting

#: Instructions that are executed for one that was counted: divisions and roots expand.
EXECUTED = 1.25
#: The share of issue slots that is used.
USED = 0.6
WARP = 32
#: Warps that a multiprocessor issues for in a cycle.
ISSUED = 4
TRANSFORM, TRANSFORM_VJP = "transform", "transform_vjp"


@dataclass(frozen=True)
class Device:
    """A GPU: its multiprocessors, and the cycles of each in a second."""

    name: str
    multiprocessors: int
    hertz: float

    @property
    def slots(self) -> float:
        """Instructions of warps that it can issue in a second."""
        return self.multiprocessors * ISSUED * self.hertz


DEVICES = (Device("H100 SXM", 132, 1.755e9), Device("T4", 40, 1.59e9))


@dataclass(frozen=True)
class Estimate:
    """A row of the table.

    Attributes:
        task: the function of libcpab.
        rows, strips: PTX instructions for 32 points, in either order of points.
    """

    title: str
    setting: Setting
    displacement: float
    task: str
    rows: int
    strips: int

    def points_per_second(self, device: Device) -> tuple[float, float]:
        """Fewest and most, of the two orders."""
        each = [USED * device.slots * WARP / (EXECUTED * count) for count in (self.rows, self.strips)]
        return min(each), max(each)

    def issued(self, n_points: int) -> float:
        """Instructions of warps, for points in rows."""
        return EXECUTED * self.rows * n_points / WARP


ESTIMATES = (
    Estimate("forward, 42 x 42 pixels, displacement of 5 %", PLANE, 0.05, TRANSFORM, 1671, 1733),
    Estimate("forward, 42 x 42, 15 %", PLANE, 0.15, TRANSFORM, 3264, 2936),
    Estimate("forward, 250 x 250, 5 %", LARGE, 0.05, TRANSFORM, 1236, 975),
    Estimate("backward (walks again), 42 x 42, 5 %", PLANE, 0.05, TRANSFORM_VJP, 3864, 3140),
    Estimate("backward, 42 x 42, 15 %", PLANE, 0.15, TRANSFORM_VJP, 6740, 5038),
    Estimate("backward, 250 x 250, 5 %", LARGE, 0.05, TRANSFORM_VJP, 2082, 1546),
)


def of(setting: Setting, displacement: float, task: str) -> Estimate | None:
    """The row for what is measured; None if nothing was counted for it."""
    wanted = (setting, displacement, task)
    return next((e for e in ESTIMATES if (e.setting, e.displacement, e.task) == wanted), None)


def span(least: float, most: float) -> str:
    """Two numbers of two digits, or one where they agree."""
    texts = dict.fromkeys(f"{value:.2g}" for value in (least, most))
    return " to ".join(texts)


def markdown() -> str:
    """The table of the page."""
    lines = ["| G points/s | " + " | ".join(device.name for device in DEVICES) + " |", "| --- | --- | --- |"]
    for estimate in ESTIMATES:
        speeds = [span(*(x / 1e9 for x in estimate.points_per_second(device))) for device in DEVICES]
        lines.append(f"| {estimate.title} | {' | '.join(speeds)} |")
    return "\n".join(lines)


def sentence() -> str:
    """What the page says of the paper's batch."""
    forward, backward = (
        span(*(PLANE.n_moved / speed * 1e6 for speed in reversed(estimate.points_per_second(DEVICES[0]))))
        for estimate in ESTIMATES
        if (estimate.setting, estimate.displacement) == (PLANE, 0.05)
    )
    return f"{forward} microseconds forward and {backward} backward"


if __name__ == "__main__":
    print(markdown())
    print(sentence())
