"""The calls of libcpab alone, on numpy arrays that exist already: what later changes are compared with."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cpabx
from benchmarks.options import Options
from benchmarks.report import Measured, Row
from benchmarks.settings import DISPLACEMENTS, ONE_D, PLANE, SPACE, Setting, drawn, mean_displacement, scaled
from benchmarks.timing import Laps, alternate, seconds
from cpabx import native

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


def calls(cpab: cpabx.Cpab, setting: Setting, velocity: NDArray[Any], threads: int) -> dict[str, Callable[[], None]]:
    """The tasks as functions of nothing."""
    points = setting.points().astype(velocity.dtype)
    out = np.empty((setting.batch, *points.shape), velocity.dtype)
    grad_out = np.asarray(np.random.default_rng(1).standard_normal(out.shape), velocity.dtype)
    grad_velocity = np.empty_like(velocity)
    tess, dtype = cpab.tessellation, str(velocity.dtype)
    sizes: dict[str, Any] = {
        "n_batch": setting.batch,
        "n_points": len(points),
        "points_batch": 1,
        "n_threads": threads,
        "time": 1.0,
    }

    def inputs() -> dict[str, Any]:
        return {"velocity": velocity.ctypes.data, "points": points.ctypes.data, **sizes}

    def forward() -> None:
        native.transform(tess, dtype, out=out.ctypes.data, **inputs())

    def vjp(grad_points: int) -> None:
        grads: dict[str, Any] = {"grad_velocity": grad_velocity.ctypes.data, "grad_points": grad_points}
        native.transform_vjp(tess, dtype, grad_out=grad_out.ctypes.data, **inputs(), **grads)

    return dict(zip(TASKS, (forward, lambda: vjp(0), lambda: vjp(out.ctypes.data)), strict=True))


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
