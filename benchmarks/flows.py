"""The transformation of points and its gradient beside a peer, with the same fields: the peer's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

import cpabx
from benchmarks import truth
from benchmarks.options import Options
from benchmarks.peers import DOMAIN, Contestant, Difw, Libcpab, Ours, Peer, PeerError
from benchmarks.report import Measured, Row, Target, TimesLess, TimesMore
from benchmarks.settings import (
    DISPLACEMENTS,
    ONE_D,
    PLANE,
    SPACE,
    USUAL,
    Array,
    Setting,
    drawn,
    mean_displacement,
    scaled,
)
from benchmarks.timing import alternate, seconds

TASKS = FORWARD, BACKWARD, BOTH = "forward", "backward (theta)", "forward + backward (theta)"


@dataclass(frozen=True)
class Comparison:
    """A setting, whom to compare with, and what to reach at the usual displacement with one thread."""

    setting: Setting
    peer: Callable[[tuple[int, ...]], Peer]
    targets: Mapping[str, Target]


def gradient_norm_at_zero(contestant: Contestant, fields: Fields) -> float:
    start = torch.zeros_like(fields.theta[:2]).requires_grad_()
    (grad,) = torch.autograd.grad(contestant.transform(fields.points, start).sum(), start)
    return float(grad.norm())


@dataclass(frozen=True)
class Fields:
    """Points (P, n), the same for all, fields theta (N, d) of a family, and what comes back from later layers."""

    setting: Setting
    family: cpabx.Cpab
    points: Tensor
    theta: Tensor
    cotangent: Tensor

    @classmethod
    def of(cls, setting: Setting, family: cpabx.Cpab, theta: Array) -> Fields:
        points = torch.from_numpy(setting.points(*family.domain[0])).float()
        cotangent = torch.randn(setting.batch, *points.shape, generator=torch.Generator().manual_seed(1))
        return cls(setting, family, points, torch.from_numpy(theta).float(), cotangent)

    @classmethod
    def drawn(cls, setting: Setting, family: cpabx.Cpab, displacement: float) -> Fields:
        """Random ones, scaled to this mean displacement."""
        lower, upper = family.domain[0]
        grid = setting.points(lower, upper)

        def moved(theta: Array) -> float:
            return mean_displacement(family.transform(grid, theta), grid, upper - lower)

        return cls.of(setting, family, scaled(moved, drawn(family.n_params, setting.batch), displacement))

    def laps(self, contestant: Contestant) -> dict[str, float]:
        """One run of every task."""
        with torch.no_grad():
            forward = seconds(lambda: contestant.transform(self.points, self.theta))
        leaf = self.theta.detach().requires_grad_()
        moved: list[Tensor] = []
        recorded = seconds(lambda: moved.append(contestant.transform(self.points, leaf)))
        backward = seconds(lambda: torch.autograd.grad(moved[0], leaf, self.cotangent))
        return {FORWARD: forward, BACKWARD: backward, BOTH: recorded + backward}


class Race:
    """Both contestants with the same fields."""

    def __init__(self, setting: Setting, peer: Peer, displacement: float) -> None:
        ours = Ours(cpabx.Cpab(setting.cells, basis=peer.basis, domain=DOMAIN))
        self.displacement = displacement
        self.fields = Fields.drawn(setting, ours.family, displacement)
        self.contestants: tuple[Contestant, Contestant] = (ours, peer)

    def rows(self, rounds: int, threads: int, targets: Mapping[str, Target]) -> Iterator[Row]:
        torch.set_num_threads(threads)
        times = alternate({c.name: functools.partial(self.fields.laps, c) for c in self.contestants}, rounds)
        aims = targets if self.displacement == USUAL and threads == 1 else {}
        for task in TASKS:
            errors = self.errors if task == FORWARD else {}
            ours, other = (Measured(c.name, times[c.name][task], errors.get(c.name)) for c in self.contestants)
            what = f"{task}, {self.displacement:.0%}"
            setting = self.fields.setting
            yield Row(str(setting), what, threads, ours, other, aims.get(task), count=setting.n_moved)

    @functools.cached_property
    def errors(self) -> dict[str, tuple[float, float]]:
        """The errors of the transformed points, in units of the domain."""
        points, theta = self.fields.points, self.fields.theta
        grid = points.double().numpy()
        items, chosen = truth.choice(len(theta), grid, *DOMAIN)
        expected = truth.moved(self.fields.family, theta.double().numpy()[items[:, 0]], grid[chosen])
        results = {c.name: np.asarray(c.transform(points, theta))[items, chosen] for c in self.contestants}
        return {name: truth.errors(result, expected) for name, result in results.items()}

    def at_zero(self) -> Row:
        """The identity is where training starts."""
        norms = [gradient_norm_at_zero(c, self.fields) for c in self.contestants]
        ours, other = (Measured(c.name, [norm]) for c, norm in zip(self.contestants, norms, strict=True))
        workload, task = str(self.fields.setting), "norm of the gradient at theta = 0"
        return Row(workload, task, 1, ours, other, unit="")


def compared(comparison: Comparison, options: Options) -> Iterator[Row]:
    setting = comparison.setting
    try:
        peer = comparison.peer(setting.cells)
    except (PeerError, ImportError) as error:
        for task in TASKS:
            yield Row(str(setting), f"{task}, {USUAL:.0%}", target=comparison.targets.get(task), problem=str(error))
        return
    for displacement in DISPLACEMENTS:
        race = Race(setting, peer, displacement)
        for threads in options.threads if displacement == USUAL else options.threads[:1]:
            yield from race.rows(options.rounds, threads, comparison.targets)
    yield race.at_zero()


def more_cells(options: Options) -> Iterator[Row]:
    """In 1D time must hardly grow with the number of cells."""
    few, many = ONE_D[0], ONE_D[-1]
    torch.set_num_threads(1)
    runs = {}
    for setting in (few, many):
        contestant = Ours(cpabx.Cpab(setting.cells, domain=DOMAIN))
        runs[str(setting)] = functools.partial(Fields.drawn(setting, contestant.family, USUAL).laps, contestant)
    times = alternate(runs, options.rounds)
    for task in TASKS:
        ours, other = (Measured(name, values[task]) for name, values in reversed(times.items()))
        yield Row(str(many), f"{task}, {USUAL:.0%}", 1, ours, other, TimesMore(1.5), count=many.n_moved)


def one_dimension(options: Options) -> Iterator[Row]:
    """Beside difw."""
    for setting in ONE_D:
        aims = {FORWARD: TimesLess(5), BACKWARD: TimesLess(5)} if setting.cells > (5,) else {}
        yield from compared(Comparison(setting, Difw, aims), options)
    yield from more_cells(options)


def plane(options: Options) -> Iterator[Row]:
    """The paper's setting, beside libcpab."""
    return compared(Comparison(PLANE, Libcpab, {FORWARD: TimesLess(150), BOTH: TimesLess(150)}), options)


def space(options: Options) -> Iterator[Row]:
    """Tetrahedra, beside libcpab."""
    return compared(Comparison(SPACE, Libcpab, {FORWARD: TimesLess(60), BACKWARD: TimesLess(60)}), options)
