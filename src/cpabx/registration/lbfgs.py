"""L-BFGS of many problems at once, each with its own line search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Losses (n,) and gradients (n, d) of the problems with these numbers at x (n, d).
Objective = Callable[[Array, Index], tuple[Array, Array]]

#: What multiplies a gradient (n, d) of the problems with these numbers: the first guess of the inverse Hessians.
Metric = Callable[[Array, Index], Array]

#: The share of the decrease along the tangent that a step must reach (Armijo).
SUFFICIENT = 1e-4
#: Shorter trials than this are given up.
SHORTEST = 1e-6


@dataclass(frozen=True)
class Stop:
    """When a problem is solved.

    Args:
        iterations: most evaluations of each problem.
        tolerance: it has converged when ``patience`` steps in a row lower the loss by less than this share of it.
        patience: how many.
    """

    iterations: int = 60
    tolerance: float = 1e-3
    patience: int = 3


@dataclass
class Minimum:
    """The best x (N, d) so far, its losses (N,), and whether each problem has converged."""

    x: Array
    loss: Array
    converged: NDArray[np.bool_]
    evaluations: int = 0


@dataclass
class _History:
    """The last steps s and changes of gradients y, (N, m, d), newest first, and 1 / (s . y), 0 where there is none."""

    steps: Array
    changes: Array
    rho: Array

    @classmethod
    def empty(cls, n: int, memory: int, d: int) -> _History:
        return cls(np.zeros((n, memory, d)), np.zeros((n, memory, d)), np.zeros((n, memory)))

    def add(self, items: Index, step: Array, change: Array) -> None:
        curvature = (step * change).sum(axis=1)
        good = curvature > 1e-10 * np.linalg.norm(step, axis=1) * np.linalg.norm(change, axis=1)
        items, step, change, curvature = items[good], step[good], change[good], curvature[good]
        for kept, new in ((self.steps, step), (self.changes, change), (self.rho, 1 / curvature)):
            kept[items, 1:] = kept[items, :-1]
            kept[items, 0] = new

    def forget(self, items: Index) -> None:
        self.rho[items] = 0

    def direction(self, gradient: Array, items: Index, metric: Metric) -> Array:
        """-H g by the two loops of Nocedal (1980)."""
        steps, changes, rho = self.steps[items], self.changes[items], self.rho[items]
        q = gradient.copy()
        shares = np.zeros_like(rho)
        for i in range(rho.shape[1]):
            shares[:, i] = rho[:, i] * (steps[:, i] * q).sum(axis=1)
            q -= shares[:, i, None] * changes[:, i]
        known = rho[:, 0] > 0
        result = metric(q, items)
        if known.any():
            scaled = metric(changes[:, 0], items)
            quotient = np.where(known, rho[:, 0] * (changes[:, 0] * scaled).sum(axis=1), 1.0)
            result /= np.where(quotient > 0, quotient, 1.0)[:, None]
        for i in reversed(range(rho.shape[1])):
            share = rho[:, i] * (changes[:, i] * result).sum(axis=1)
            result += (shares[:, i] - share)[:, None] * steps[:, i]
        return -result


def minimise(
    objective: Objective,
    best: Minimum,
    *,
    metric: Metric,
    longest: Callable[[Array], Array],
    stop: Stop,
    memory: int = 8,
    watch: Callable[[Minimum], None] | None = None,
) -> None:
    """Minimise N functions of d numbers, which are evaluated together.

    Each evaluation is one trial of each problem that has not ended: its line search backtracks by itself while others
    go on.

    Args:
        objective: losses and gradients. A loss that is not finite is a trial that failed.
        best: where to start, in ``best.x``; what is found is written there, also before an interrupt.
        metric: an approximate inverse Hessian.
        longest: for steps (n, d), the factor (n,) in (0, 1] that shortens those that are too long.
        stop: when to end.
        memory: how many steps are remembered.
        watch: is given the best so far after each evaluation, which it must not change.

    The loss is not finite where it was not at the start.
    """
    n, d = best.x.shape
    active = np.arange(n)
    loss, gradient = objective(best.x, active)
    best.x, best.loss, gradient, best.evaluations = best.x.copy(), loss.copy(), gradient.copy(), 1
    history = _History.empty(n, memory, d)
    direction = np.zeros((n, d))
    step, slope = np.ones(n), np.zeros(n)
    idle = np.zeros(n, np.int64)
    active = active[np.isfinite(loss)]

    def aim(items: Index) -> None:
        direction[items] = history.direction(gradient[items], items, metric)
        slope[items] = (direction[items] * gradient[items]).sum(axis=1)
        uphill = items[~(slope[items] < 0)]
        if len(uphill):
            history.forget(uphill)
            direction[uphill] = -metric(gradient[uphill], uphill)
            slope[uphill] = (direction[uphill] * gradient[uphill]).sum(axis=1)
        step[items] = longest(direction[items])

    aim(active)
    while len(active) and best.evaluations < stop.iterations:
        trial = best.x[active] + step[active, None] * direction[active]
        value, slopes = objective(trial, active)
        best.evaluations += 1
        accepted = value <= best.loss[active] + SUFFICIENT * step[active] * slope[active]
        good, bad = active[accepted], active[~accepted]

        gain = best.loss[good] - value[accepted]
        idle[good] = np.where(gain <= stop.tolerance * np.abs(best.loss[good]), idle[good] + 1, 0)
        history.add(good, trial[accepted] - best.x[good], slopes[accepted] - gradient[good])
        best.x[good], best.loss[good], gradient[good] = trial[accepted], value[accepted], slopes[accepted]

        # The minimum of the parabola through what is known, between a tenth and a half of the step.
        size, drop = step[bad], slope[bad]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            parabola = -drop * size**2 / (2 * (value[~accepted] - best.loss[bad] - drop * size))
        step[bad] = np.where(np.isfinite(parabola), np.clip(parabola, 0.1 * size, 0.5 * size), 0.1 * size)

        ended = (idle[active] >= stop.patience) | (step[active] < SHORTEST) | ~(slope[active] < 0)
        best.converged[active[ended]] = True
        active = active[~ended]
        aim(np.intersect1d(good, active, assume_unique=True))
        if watch is not None:
            watch(best)
