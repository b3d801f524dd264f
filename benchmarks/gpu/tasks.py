"""What is measured: functions of nothing, for fields of a given displacement, with their points and bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

import cpabx
from benchmarks.gpu.clocks import Run
from benchmarks.gpu.estimates import TRANSFORM, TRANSFORM_VJP
from benchmarks.gpu.peers import NotCompiledError, Steps, compiled
from benchmarks.settings import Array, Setting, drawn, mean_displacement, scaled
from cpabx_torch import functions

FLOAT = 4  # bytes
#: Fields are scaled by the displacement of about this many points.
LOOKED_AT = 100
#: Rows of an image that a strip has.
STRIP = 4
OURS = "cpabx"
WARP, WARP_THETA, WARP_BOTH = "warp", "warp, gradient of theta", "warp, gradients of theta and images"


@dataclass(frozen=True)
class Task:
    """A run, by what it computes and who does.

    Attributes:
        n_bytes: what must be read and written at least; None where that depends on the way.
        run: None where there is none.
        problem: why not.
        exact: the first item of the result, in float64 on the CPU.
    """

    name: str
    who: str
    n_points: int
    run: Run | None
    n_bytes: int | None = None
    problem: str = ""
    exact: Callable[[], Tensor] | None = None


class Case:
    """Fields of a setting on a device, and what they are given.

    Args:
        place: the device.
        displacement: the mean one of pixels, in units of the domain.
    """

    def __init__(self, setting: Setting, displacement: float, place: torch.device) -> None:
        self.setting, self.displacement, self.place = setting, displacement, place
        self.family = cpabx.Cpab(setting.cells)
        grid = setting.points()
        some = grid[:: max(1, len(grid) // LOOKED_AT)]

        def moved(theta: Array) -> float:
            return mean_displacement(self.family.transform(some, theta), some, 2.0)

        theta = scaled(moved, drawn(self.family.n_params, setting.batch), displacement)
        self.points, self.theta = self._put(grid), self._put(theta)
        self.velocity = self._put(self.family.velocity(theta))
        n, rng = setting.ndim, np.random.default_rng(1)
        self.cotangent = self._put(rng.standard_normal((setting.batch, *grid.shape)))
        size = [setting.side] * n
        self.images = self._put(rng.uniform(size=(setting.batch, 1, *size)))
        self.grad_images = self._put(rng.standard_normal((setting.batch, 1, *size)))

    def _put(self, values: Any) -> Tensor:
        return torch.tensor(np.asarray(values), dtype=torch.float32, device=self.place)

    def tasks(self, folder: Path) -> Iterator[Task]:
        """All of this case, ours first."""
        yield from self._flow(self.points[None], self.cotangent, OURS)
        yield from self._warps(self.family.warp, OURS, self.theta)
        yield self._warp(self.family.warp, self.theta, WARP_BOTH, OURS, repeatable=True)
        if self.setting.ndim == 2:
            yield from self._strips()
            yield from self._warps(self._unfused, "transform, then torch's grid_sample", self.theta)
            yield from self._of_torch()
            yield from self._steps(folder)

    # -- the library's functions -------------------------------------------------------------------

    def _flow(self, points: Tensor, cotangent: Tensor, who: str) -> Iterator[Task]:
        problem = (self.family.tessellation, 1.0)
        given = points.numel() * FLOAT
        moved = self.cotangent.numel() * FLOAT

        def forward() -> Any:
            return functions.transform(points, self.velocity, *problem)

        def backward() -> Any:
            return functions.transform_vjp(points, self.velocity, cotangent, (False, True), *problem)[1]

        first = [tensor[:1].cpu().double() for tensor in (points, self.velocity, cotangent)]

        def exactly() -> Tensor:
            return functions.transform(*first[:2], *problem)  # type: ignore[no-any-return]

        def exactly_back() -> Tensor:
            return functions.transform_vjp(*first, (False, True), *problem)[1]  # type: ignore[no-any-return]

        n = self.setting.n_moved
        yield Task(TRANSFORM, who, n, forward, given + moved, exact=exactly)
        yield Task(TRANSFORM_VJP, who, n, backward, given + moved, exact=exactly_back)

    def _strips(self) -> Iterator[Task]:
        """The same points in another order: four rows of pixels at a time, column by column."""
        order = torch.from_numpy(in_strips(self.setting.side)).to(self.place)
        points, cotangent = self.points[order][None].contiguous(), self.cotangent[:, order].contiguous()
        yield from self._flow(points, cotangent, f"{OURS}, points in strips")

    # -- images --------------------------------------------------------------------------------------

    def _warps(self, warp: Callable[[Tensor, Tensor], Tensor], who: str, theta: Tensor) -> Iterator[Task]:
        for name in (WARP, WARP_THETA, WARP_BOTH):
            yield self._warp(warp, theta, name, who)

    def _warp(
        self, warp: Callable[[Tensor, Tensor], Tensor], theta: Tensor, name: str, who: str, repeatable: bool = False
    ) -> Task:
        leaf = theta.detach().requires_grad_(name != WARP)
        images = self.images.detach().requires_grad_(name == WARP_BOTH)
        leaves = (leaf, images) if name == WARP_BOTH else (leaf,)

        def run() -> Any:
            with _deterministic(repeatable):
                if name == WARP:
                    return warp(images, leaf)
                return torch.autograd.grad(warp(images, leaf), leaves, self.grad_images)

        n_bytes = 2 * self.images.numel() * FLOAT if name == WARP else None
        return Task(name, f"{who}, deterministic" if repeatable else who, self.setting.n_moved, run, n_bytes)

    def _unfused(self, images: Tensor, theta: Tensor) -> Tensor:
        side = self.setting.side
        grid = self.family.transform(self.points, theta).reshape(-1, side, side, 2)
        return grid_sample(images, grid, align_corners=True)

    def _of_torch(self) -> Iterator[Task]:
        """An affine spatial transformer, and sampling alone at places that are given."""
        identity = torch.eye(2, 3, device=self.place).flatten().expand(self.setting.batch, -1)

        def affine(images: Tensor, theta: Tensor) -> Tensor:
            grid = affine_grid(theta.reshape(-1, 2, 3), list(images.shape), align_corners=False)
            return grid_sample(images, grid, align_corners=False)

        yield from self._warps(affine, "torch's affine", 0.9 * identity)
        side = self.setting.side
        moved = self.family.transform(self.points, self.theta).reshape(-1, side, side, 2)

        def sampled(images: Tensor, grid: Tensor) -> Tensor:
            return grid_sample(images, grid, align_corners=True)

        yield from self._warps(sampled, "torch's grid_sample alone", moved)

    # -- others ----------------------------------------------------------------------------------------

    def _steps(self, folder: Path) -> Iterator[Task]:
        who, n = "50 steps, an equation for each parameter", self.setting.n_moved
        try:
            steps = Steps(compiled(folder, self.place), self.family, self.place)
        except NotCompiledError as error:
            yield from (Task(name, who, n, None, problem=str(error)) for name in (TRANSFORM, TRANSFORM_VJP))
            return
        # What the peers prepare for each call is done here once.
        maps, moves = steps.velocities(self.velocity), steps.steps(self.velocity)
        yield Task(TRANSFORM, who, n, lambda: steps.transform(self.points, moves))
        yield Task(TRANSFORM_VJP, who, n, lambda: steps.transform_vjp(self.points, maps, self.cotangent))


def in_strips(side: int) -> NDArray[np.int64]:
    """Numbers of the pixels of an image in strips of rows."""
    rows, columns = np.divmod(np.arange(side * side), side)
    return np.lexsort((rows, columns, rows // STRIP)).astype(np.int64)


@contextlib.contextmanager
def _deterministic(wanted: bool) -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(wanted or before)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
