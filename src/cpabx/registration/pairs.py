"""The function that registers images."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.basis import BOUNDARIES
from cpabx.errors import DivergenceError, OptionError, shown
from cpabx.fitted import FittedTransformation
from cpabx.options import at_least, flag, number, one_of, positive
from cpabx.progress import bar
from cpabx.registration.affine import fit_affine
from cpabx.registration.arguments import checked_images, checked_prior, family_of
from cpabx.registration.fitting import Problem, Progress, fit
from cpabx.registration.layout import pixel_shape
from cpabx.registration.lbfgs import Minimum, Stop
from cpabx.registration.losses import checked_loss
from cpabx.registration.messages import messages
from cpabx.registration.objective import Stretching
from cpabx.registration.pyramid import Level, checked_levels
from cpabx.registration.start import Outer, Start, checked_start
from cpabx.transforms import Composition


def register(
    moving: Tensor,
    fixed: Tensor,
    *,
    levels: Any = None,
    loss: Any = "mse",
    mask: Any = None,
    regularizer: Any = None,
    weight: float = 1e-5,
    areas: tuple[float, float] = (0.1, 5.0),
    stretching: float = 100.0,
    affine: bool = False,
    init: FittedTransformation | None = None,
    symmetric: bool = False,
    boundary: str = "free",
    iterations: int = 60,
    tolerance: float = 1e-3,
    progress: bool = False,
    backend: str | None = None,
) -> FittedTransformation:
    """The transformation T that makes one image look like another: moving(T(x)) is like fixed(x).

    T maps points of the fixed image to points of the moving one, so ``register(moving, fixed).warp(moving)`` is like
    ``fixed``, and ``.unwarp(fixed)`` like ``moving``. All pairs of a batch are fitted at once, from coarse to fine, by
    L-BFGS whose first guess of the Hessian is Gauss and Newton's, of the fixed image and the prior.

    Minimised is the loss of images, plus weight * |z|^2 of the whitened theta (a Gaussian prior of fields), plus
    stretching * the mean of what areas exceed: of log det dT/dx, scaled to be -1 and 1 at the limits, what is beyond
    a half, squared.

    Args:
        moving: (N, C, H, W) in torch, (N, H, W, C) elsewhere; signals (N, C, L) or volumes (N, C, D, H, W). float32 or
            float64. One moving image may go with N fixed ones, and the other way round.
        fixed: the same, of any size.
        levels: cells (nx, ny) of the tessellations, from coarse to fine, and as the last ones those of the result. Or
            pairs ((nx, ny), shrink), where images have ``shrink`` times fewer pixels along each axis. By default
            (2, 2) to (16, 16), fewer for small images; in 1D to 32, in 3D (2, 2, 2), (5, 5, 5) and (10, 10, 10).
        loss: ``"mse"``, the mean squared difference; ``"huber"``, which outliers disturb less; ``"ncc"``, for images
            of other brightness and contrast; ``"local_ncc"``, for uneven light; ``"mutual_information"``, for images of
            different kinds; one of :mod:`cpabx.registration` with its options; or any differentiable
            ``function(warped, fixed)`` that returns (N,), in what follows the framework's own operations. With a mask
            it is called with weights as well, (N, 1, H, W) or (N, H, W, 1), of mean 1. All named losses are measured
            in the fixed image's variance, so that one weight suits bright and dark images.
        mask: (H, W) or (N, H, W): how much each pixel of the fixed image counts, 0 for not at all. There it may
            hold anything, NaN too.
        regularizer: a function of the :class:`cpabx.Cpab` of a level that returns a prior of it. By default
            ``cpabx.VelocityPrior(cpab, length_scale=0.25, scale=0.05)``.
        weight: of the prior. Raise it for noisy images, or for maps that should be smoother.
        areas: what the map may multiply areas by, at least and at most. What is beyond is costly, not impossible:
            ``message`` says where it happens.
        stretching: of the penalty that holds them. 0 leaves them free. Pairs that leave the limits at last go on with
            10 and 100 times as much.
        affine: fit an affine map first. The result is then a :class:`cpabx.Composition` of it and a Cpab, which acts
            first.
        init: a fit to begin with. A field is fitted on; any other map is kept, and what is fitted acts before it.
        symmetric: both images are warped, half the way each, and compared there: then ``register(b, a, ...)`` is the
            inverse of ``register(a, b, ...)``. Not beside ``affine``, or an ``init`` that is no field.
        boundary: of the fields. ``"free"``: points may leave the image, beyond which its border goes on.
            ``"sliding"`` and ``"fixed"`` as in :class:`cpabx.Cpab`.
        iterations: most evaluations of each pair at each level.
        tolerance: a level ends when three steps in a row lower the loss by less than this share of it.
        progress: show a bar, by rich.
        backend: only to insist on one; tensors bring their own.

    Returns:
        The maps, with the losses of each level, and a message for each pair. Ctrl-C returns the best so far, on the
        tessellation of the level where it came.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendMismatchError: images or mask that do not go together.
        OptionError: unknown or impossible options; images that are not finite.
        UnsupportedError: a backend that does not differentiate, as numpy.
        DivergenceError: no pair has a finite loss.
        MissingPackageError: scipy is not installed; or rich, for ``progress``.

    Source: the idea of Gauss-Newton steps in whitened coordinates, and of registration from coarse to fine, is common;
    fields and their integration are those of Freifeld et al. 2017 and Detlefsen et al. 2018.
    """
    chosen, images, ndim = checked_images(moving, fixed, mask, backend)
    size, n = pixel_shape(chosen, images.fixed), int(chosen.shape(images.fixed)[0] or 0)
    one_of("boundary", boundary, BOUNDARIES)
    symmetric, affine = flag("symmetric", symmetric), flag("affine", affine)
    start = checked_start(init, chosen, images.fixed, n, ndim)
    steps = checked_levels(levels, size)
    if levels is None and start.field is not None:  # what it has learnt is not for coarser levels to forget
        steps = tuple(s for s in steps if s.cells >= start.field[0].tessellation.cells) or steps[-1:]
    if symmetric and (affine or start.outer is not None):
        raise OptionError(
            "symmetric=True fits a field alone",
            "affine=True" if affine else "an init that is no field",
            "Warp the moving image by the affine map first, or leave out symmetric.",
        )
    if affine and init is not None:
        raise OptionError("affine=True begins by itself", "init", "Leave one of them out.")
    most = at_least(1, "iterations", iterations)
    problem = Problem(
        backend=chosen,
        images=images,
        loss=checked_loss(loss),
        precision=checked_prior(regularizer),
        weight=positive("weight", weight, or_zero=True),
        stretching=Stretching(positive("stretching", stretching, or_zero=True), _checked_areas(areas)),
        symmetric=symmetric,
        stop=Stop(most, positive("tolerance", tolerance, or_zero=True)),
        after=None if start.outer is None else start.outer.mover(chosen),
    )
    outer = start.outer
    first: tuple[Any, ...] = ()
    if affine:
        outer, loss_of_affine = fit_affine(problem)
        first = (loss_of_affine,)
        problem = dataclasses.replace(problem, after=outer.mover(chosen))
    families = [family_of(step.cells, boundary) for step in steps]
    with bar(len(steps) * most, shown=flag("progress", progress)) as watch:

        def tell(level: int, best: Minimum) -> None:
            watch(f"{steps[level].cells}, mean loss {np.mean(best.loss):.4g}", level * most + best.evaluations)

        done = fit(problem, families, steps, start.field, watch=tell)
        watch("done", len(steps) * most)
    if n and not any(np.isfinite(row).all() for row in np.transpose(done.loss)) and not done.interrupted:
        raise DivergenceError(
            "registration needs a finite loss",
            f"none at level {steps[len(done.loss) - 1].cells}",
            "Raise weight; and where values are far from 1, scale images to [0, 1].",
        )
    return _result(chosen, problem, done, steps, outer, first)


def _result(
    backend: Backend, problem: Problem, done: Progress, levels: tuple[Level, ...], outer: Outer | None, first: Any
) -> FittedTransformation:
    assert done.family is not None
    theta = backend.asarray(done.theta, like=problem.images.fixed)
    whole: Any = done.family
    if outer is not None:
        whole = Composition(outer.family, done.family)
        theta = backend.concat([outer.theta, theta], axis=1)
    fitted = FittedTransformation(whole, theta, (*first, *done.loss), done.converged)
    texts = messages(backend, problem.images, done, levels, fitted, problem.stretching.limits)
    return dataclasses.replace(fitted, message=texts)


def _checked_areas(areas: Any) -> tuple[float, float]:
    limits = [number(limit) for limit in areas] if isinstance(areas, (tuple, list)) else []
    if len(limits) != 2 or not 0 < limits[0] < 1 < limits[1] < math.inf:
        raise OptionError(
            "areas must be two numbers, below and above 1", shown(areas), "For instance (0.1, 5), the default."
        )
    return limits[0], limits[1]


__all__ = ["Start", "register"]
