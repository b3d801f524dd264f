"""The levels of a fit, one after the other, each from where the one before ended."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.registration.curvature import Curvature, selection
from cpabx.registration.layout import channels_last_array, items, pixel_shape
from cpabx.registration.lbfgs import Minimum, Stop, minimise
from cpabx.registration.losses import Batch, Loss
from cpabx.registration.objective import Images, Objective, Stretching
from cpabx.registration.pyramid import Level, shrunk
from cpabx.sampling import pixel_grid
from cpabx.transforms import Cpab, Transformation

Array = NDArray[np.float64]
Index = NDArray[np.int64]

#: Longest step of a line search: the largest velocity, as a share of the domain.
LONGEST = 0.1
#: Of the prior in Hessians, which must not be singular.
LEAST = 1e-8
#: By what the penalty of areas is multiplied, one after the other, for pairs whose map leaves their limits at last.
RAISED = (10.0, 100.0)


@dataclass(frozen=True)
class Problem:
    """What is to be fitted, of arguments that are checked.

    Attributes:
        backend: of the images.
        images: in full size.
        loss: of images.
        precision: that of the prior of a family, by which |z|^2 of its whitened theta is theta^T P theta.
        weight: of the prior.
        stretching: how areas are held.
        symmetric: both images meet half the way.
        stop: when levels end.
        after: what moves points after the map.
    """

    backend: Backend
    images: Images
    loss: Loss
    precision: Callable[[Cpab], Array]
    weight: float
    stretching: Stretching
    symmetric: bool
    stop: Stop
    after: Callable[[Tensor, Index], Tensor] | None = None


@dataclass
class Progress:
    """Where a fit is: theta (N, d) of a family, and losses by level. It outlives an interrupt."""

    family: Cpab | None = None
    theta: Array = field(default_factory=lambda: np.zeros((0, 0)))
    loss: list[Array] = field(default_factory=list)
    converged: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    interrupted: bool = False


def fit(
    problem: Problem,
    families: Sequence[Cpab],
    levels: Sequence[Level],
    start: tuple[Cpab, Array] | None,
    *,
    watch: Callable[[int, Minimum], None] | None = None,
) -> Progress:
    """Theta of the last family, or of the one that an interrupt (Ctrl-C) ended.

    Args:
        problem: what is to be fitted.
        families: of each level, with a nodal basis.
        levels: from coarse to fine.
        start: a family and its theta (N, d), or None for the identity.
        watch: is given the number of the level and the best so far.
    """
    done = Progress()
    for number, (family, level) in enumerate(zip(families, levels, strict=True)):
        n = int(problem.backend.shape(problem.images.fixed)[0] or 0)
        theta = np.zeros((n, family.n_params))
        if done.family is not None:
            theta = np.asarray(done.family.refine(done.theta, family, backend="numpy"))
        elif start is not None:
            theta = np.asarray(start[0].refine(start[1], family, backend="numpy"))
        best = Minimum(theta, np.full(n, np.inf), np.zeros(n, bool))
        try:
            told = None if watch is None else functools.partial(watch, number)
            _one_level(problem, family, level, best, told, last=number == len(levels) - 1)
        except KeyboardInterrupt:
            done.interrupted = True
        done.family, done.theta, done.converged = family, best.x, best.converged
        done.loss.append(best.loss.copy())
        if done.interrupted:
            break
    return done


def _one_level(
    problem: Problem,
    family: Cpab,
    level: Level,
    best: Minimum,
    watch: Callable[[Minimum], None] | None,
    *,
    last: bool,
) -> None:
    size = level.size(pixel_shape(problem.backend, problem.images.fixed))
    unit = problem.precision(family)
    objective, host, weights = objective_for(problem, family, size, unit * (2 * problem.weight))
    metric = Curvature(family, host, weights, unit * (2 * max(problem.weight, LEAST)))
    vertex_velocities = np.asarray(family.basis.to_dense().matrix)
    nodal = selection(vertex_velocities) is not None
    widest = max(high - low for low, high in family.domain)

    def longest(steps: Array) -> Array:
        fastest = np.abs(steps if nodal else steps @ vertex_velocities.T).max(axis=1, initial=0)
        return np.asarray(np.minimum(1, LONGEST * widest / np.maximum(fastest, 1e-300)))

    solve = functools.partial(minimise, metric=metric, longest=longest, stop=problem.stop)
    solve(objective, best, watch=watch)
    if last and problem.stretching.weight:
        _hold_areas(objective, best, metric, solve)


def _hold_areas(objective: Objective, best: Minimum, metric: Curvature, solve: Callable[..., None]) -> None:
    """Go on with those pairs whose areas leave their limits, for which these count more.

    A few pixels that stretch too much weigh little in a mean over all, and more weight for all pairs would cost those
    that need none.
    """
    for factor in RAISED:
        chosen = np.flatnonzero(np.isfinite(best.loss))
        chosen = chosen[objective.beyond(best.x[chosen], chosen)]
        if not len(chosen):
            break
        held = dataclasses.replace(objective.stretching, weight=objective.stretching.weight * factor)
        raised, own = dataclasses.replace(objective, stretching=held), _of(chosen)
        found = Minimum(best.x[chosen], np.full(len(chosen), np.inf), np.zeros(len(chosen), bool))
        solve(own(raised), found, metric=own(metric))
        better = np.isfinite(found.loss)
        chosen = chosen[better]
        best.x[chosen], best.converged[chosen] = found.x[better], found.converged[better]
        best.loss[chosen], _ = objective(best.x[chosen], chosen)  # comparable with those of other pairs


def _of(chosen: Index) -> Callable[[Callable[[Array, Index], Any]], Callable[[Array, Index], Any]]:
    """Takes a function of rows and the numbers of their problems to one that counts these problems alone."""
    return lambda function: lambda rows, numbers: function(rows, chosen[numbers])


def objective_for(
    problem: Problem, family: Transformation, size: tuple[int, ...], prior: Array
) -> tuple[Objective, Array, Array]:
    """What is minimised with images of a size, those of the fixed images (N, *size, C), and how much pixels weigh."""
    backend, images = problem.backend, seen_at(problem, size)
    host = channels_last_array(backend, images.fixed)
    weights = np.ones(host.shape[:-1])
    if images.weights is not None:
        weights = channels_last_array(backend, images.weights)[..., 0]
    variance = weighted_variance(host, weights)
    if problem.symmetric:  # neither image comes first
        other = channels_last_array(backend, images.moving)
        variance = (variance + weighted_variance(other, np.ones(other.shape[:-1]))) / 2
    objective = Objective(
        backend,
        family,
        prior,
        images,
        _loss_of(problem, images, variance),
        pixel_grid(size, False, family.domain),
        problem.stretching,
        problem.symmetric,
        problem.after,
    )
    return objective, host, weights * problem.loss.curvature(backend, images.fixed, variance)


def seen_at(problem: Problem, size: tuple[int, ...]) -> Images:
    """The images with this many pixels; what a mask leaves out takes no part in means."""
    backend, full = problem.backend, problem.images
    moving = shrunk(backend, full.moving, _proportional(pixel_shape(backend, full.moving), size, full, backend))
    if full.weights is None:
        return Images(moving, shrunk(backend, full.fixed, size), None)
    weights = shrunk(backend, full.weights, size)
    fixed = shrunk(backend, full.fixed * full.weights, size) / (weights + 1e-6)
    return Images(moving, fixed, weights)


def _proportional(moving: tuple[int, ...], size: tuple[int, ...], full: Images, backend: Backend) -> tuple[int, ...]:
    fixed = pixel_shape(backend, full.fixed)
    return tuple(max(min(m, 8), round(m * s / f)) for m, s, f in zip(moving, size, fixed, strict=True))


def weighted_variance(images: Array, weights: Array) -> Array:
    """(N,) of images (N, *size, C), and 1 where it is nothing beside rounding."""
    flat = images.reshape(len(images), -1, images.shape[-1])
    share = (weights / weights.sum(axis=tuple(range(1, weights.ndim)), keepdims=True)).reshape(len(images), -1, 1)
    mean = (flat * share).sum(axis=1, keepdims=True)
    variance = ((flat - mean) ** 2 * share).sum(axis=1).mean(axis=1)
    return np.where(variance > 1e-12 * (flat**2).mean(axis=(1, 2)), variance, 1.0)


def _loss_of(problem: Problem, images: Images, variance: Array) -> Callable[..., Tensor]:
    backend = problem.backend
    own = backend.asarray(variance, like=images.fixed)
    ranges = [_range(backend, x) for x in (images.moving, images.fixed)]

    def loss(warped: Tensor, fixed: Tensor, weights: Tensor | None, chosen: Index) -> Tensor:
        moving_range, fixed_range = ([items(backend, bound, chosen) for bound in bounds] for bounds in ranges)
        return problem.loss(
            Batch(
                backend,
                warped,
                fixed,
                weights,
                items(backend, own, chosen),
                (moving_range[0], moving_range[1]),
                (fixed_range[0], fixed_range[1]),
            )
        )

    return loss


def _range(backend: Backend, images: Tensor) -> tuple[Tensor, Tensor]:
    array = np.asarray(backend.to_numpy(images), np.float64).reshape(int(backend.shape(images)[0] or 0), -1)
    return backend.asarray(array.min(axis=1), like=images), backend.asarray(array.max(axis=1), like=images)
