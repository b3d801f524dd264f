"""Tessellations of any fineness: one and the same flow, cut into ever more cells.

A field on (4, 4) cells is also one on (64, 64), so each point takes the same way, and crosses more faces.
Time may grow with the number of cells that are visited, and with nothing else.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import torch

import cpabx
from benchmarks import truth
from benchmarks.flows import TASKS, Fields
from benchmarks.options import Options
from benchmarks.peers import Ours
from benchmarks.report import Measured, Row, TimesMore
from benchmarks.settings import USUAL, Array, Setting
from benchmarks.timing import alternate
from cpabx.native import arrays

COARSE = Setting((4, 4), 16, 128)
FINER = (Setting((16, 16), 16, 128), Setting((64, 64), 16, 128))
#: Two ratios that ought to be equal are never quite: how far time may be above the number of cells.
MARGIN = 1.1
#: Instants at which the cell of a point is looked up, and how many points are followed.
INSTANTS, FOLLOWED = 200, 2000


def nodal(setting: Setting) -> cpabx.Cpab:
    return cpabx.Cpab(setting.cells, basis="nodal", outside="nearest")


def refined(theta: Array, coarse: cpabx.Cpab, fine: cpabx.Cpab) -> Array:
    """The fields of theta on finer cells: their velocities at its vertices."""
    velocity = np.ascontiguousarray(coarse.velocity(theta))
    at_vertices = arrays.velocity(fine.tessellation.vertices[None], velocity, coarse.tessellation)
    return np.asarray(at_vertices).reshape(len(theta), -1)


def triangles(points: Array, cells: tuple[int, ...]) -> Array:
    """The triangle of each point of [-1, 1]^2 by a number of its own; points outside count where they left."""
    scaled = np.clip((points + 1) / 2, 0, 1 - 1e-12) * cells
    corner = np.floor(scaled)
    x, y = np.moveaxis(scaled - corner, -1, 0)
    rectangle = corner[..., 0] + cells[0] * corner[..., 1]
    return np.asarray((rectangle * 2 + (x > y)) * 2 + (x + y > 1))


def cells_visited(family: cpabx.Cpab, theta: Array, points: Array) -> float:
    """Mean over some points, seen at many instants."""
    chosen = np.random.default_rng(3).choice(len(points), size=FOLLOWED // len(theta))
    times = np.linspace(0, 1, INSTANTS)
    path = [family.transform(points[chosen], theta, time=t) for t in times]
    where = triangles(np.array(path), family.tessellation.cells)
    return float(1 + (np.diff(where, axis=0) != 0).sum(axis=0).mean())


def rows(options: Options) -> Iterator[Row]:
    coarse = Fields.drawn(COARSE, nodal(COARSE), USUAL)
    theta = coarse.theta.double().numpy()
    grid = COARSE.points()
    visited = cells_visited(coarse.family, theta, grid)
    items, chosen = truth.choice(COARSE.batch, grid, -1, 1)
    expected = truth.moved(coarse.family, theta[items[:, 0]], grid[chosen])
    for setting in FINER:
        family = nodal(setting)
        fine = Fields.of(setting, family, refined(theta, coarse.family, family))
        more = cells_visited(fine.family, fine.theta.double().numpy(), grid)
        result = Ours(fine.family).transform(fine.points, fine.theta).double().numpy()[items, chosen]
        torch.set_num_threads(1)
        runs = {str(f.setting): functools.partial(f.laps, Ours(f.family)) for f in (fine, coarse)}
        times = alternate(runs, options.rounds)
        for task in TASKS:
            ours = Measured("cpabx", times[str(setting)][task], truth.errors(result, expected))
            other = Measured(f"{COARSE.cells}, {visited:.3g} cells visited", times[str(COARSE)][task])
            what = f"{task}, {USUAL:.0%}, {more:.3g} cells visited"
            workload = f"{setting}, nodal, d = {fine.family.n_params}"
            target = TimesMore(MARGIN * more / visited)
            yield Row(workload, what, 1, ours, other, target, setting.n_moved * more, "cell visited")
