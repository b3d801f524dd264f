"""The calls of libcpab alone, on numpy arrays that exist already: what later changes are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cpabx
from benchmarks.options import Options
from benchmarks.report import Measured, Row
from benchmarks.settings import DISPLACEMENTS, ONE_D, PLANE, SPACE, Setting, drawn, mean_displacement, scaled
from benchmarks.timing import Laps, alternate, seconds
from cpabx import native
from cpabx.native import functions

WIDTH = 2.0  # of the domain [-1, 1]
#: What is asked for: the result, the gradient of the fields, that of the points too.
TASKS = ("forward", "vjp (velocity)", "vjp (velocity, points)")


def velocities(cpab: cpabx.Cpab, setting: Setting, displacement: float) -> NDArray[np.float64]:
    """(N, V, n) fields of this mean displacement."""
    points = setting.points()

    def moved(theta: NDArray[np.float64]) -> float:
        return mean_displacement(cpab.transform(points, theta), points, WIDTH)

    theta = scaled(moved, drawn(cpab.n_params, setting.batch), displacement)
    return np.asarray(cpab.velocity(theta))


class Given(native.HostArrays):
    """Results go into arrays that exist already: those of one shape into the same."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, ...], NDArray[Any]] = {}

    def empty_like(self, array: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:  # type: ignore[override]
        if (made := self._made.get(tuple(shape))) is None:
            made = self._made[tuple(shape)] = np.empty(shape, array.dtype)
        return made

    @staticmethod
    def added_up(gradients: NDArray[Any]) -> NDArray[Any]:
        return gradients


def calls(cpab: cpabx.Cpab, setting: Setting, velocity: NDArray[Any], threads: int) -> dict[str, Callable[[], None]]:
    """The tasks as functions of nothing."""
    points = setting.points().astype(velocity.dtype)[None]
    grad_out = np.random.default_rng(1).standard_normal((setting.batch, *points.shape[1:])).astype(velocity.dtype)
    flow, memory = (cpab.tessellation, 1.0), Given()

    def forward() -> None:
        functions.transform(memory, points, velocity, *flow, n_threads=threads)

    def vjp(*wanted: bool) -> None:
        functions.transform_vjp(memory, points, velocity, grad_out, *flow, n_threads=threads, wanted=wanted)

    return dict(zip(TASKS, (forward, lambda: vjp(False, True), lambda: vjp(True, True)), strict=True))


def laps(cpab: cpabx.Cpab, setting: Setting, velocity: NDArray[Any], threads: int) -> Laps:
    tasks = calls(cpab, setting, velocity, threads)
    return lambda: {task: seconds(run) for task, run in tasks.items()}


def rows(options: Options) -> Iterator[Row]:
    for threads, setting, displacement in itertools.product(options.threads, (*ONE_D, PLANE, SPACE), DISPLACEMENTS):
        cpab = cpabx.Cpab(setting.cells)
        velocity = velocities(cpab, setting, displacement).astype(np.float32)
        times = alternate({"cpabx": laps(cpab, setting, velocity, threads)}, options.rounds)
        for task, values in times["cpabx"].items():
            what = f"{task}, {displacement:.0%}"
            yield Row(str(setting), what, threads, ours=Measured("cpabx", values), count=setting.n_moved)
