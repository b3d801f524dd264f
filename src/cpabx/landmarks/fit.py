"""Maps that take landmarks to landmarks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.errors import OptionError
from cpabx.landmarks import arguments
from cpabx.landmarks.choice import WEIGHTS
from cpabx.landmarks.covariance import Covariance, Geometry
from cpabx.landmarks.notices import notices
from cpabx.landmarks.result import FittedLandmarks
from cpabx.landmarks.solver import Fit, Task
from cpabx.options import at_least, flag, positive
from cpabx.progress import bar
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats

Array = NDArray[np.float64]


def fit_landmarks(
    source: Tensor,
    target: Tensor,
    cells: Any = None,
    weight: float | None = None,
    sigma: float | None = None,
    *,
    length_scale: float | None = None,
    domain: Any = None,
    max_iterations: int = 50,
    progress: bool = False,
    backend: str | None = None,
) -> FittedLandmarks:
    """Diffeomorphisms that take source landmarks to target landmarks, and what lies between along.

    Each item has the theta that minimises

        sum over landmarks of |T^theta(source) - target|^2 + weight * |z|^2,

    z being theta in the coordinates in which :class:`cpabx.VelocityPrior` (Matern 5/2, affine fields free) is N(0, 1).
    Levenberg and Marquardt's method finds it. With nothing but landmarks, each item gets the length scale under which
    they are likeliest, and the weight of the least generalised cross-validation: near 0 where a smooth map passes
    through the landmarks, more where they are noisy. Computed in float64 on the host; not differentiable, and not in
    graphs.

    Args:
        source: (P, n) or (N, P, n) landmarks in 1D to 3D, (x, y, z), in units of the domain; at least n + 1. Without N
            they are shared by all items.
        target: where they are to go, likewise.
        cells: of the tessellation, 64 in 1D, (16, 16) in 2D and (8, 8, 8) in 3D by default, with a free boundary and
            ``outside="nearest"``, which hold the field nowhere. Or a :class:`cpabx.Cpab`, to hold it at the border,
            for instance.
        weight: the variance of the landmarks' noise over that of the velocities' components. 0 passes through the
            landmarks, if the cells allow it, as does whatever is below 1e-8. None chooses.
        sigma: the standard deviation of each coordinate of the landmarks' noise, if it is known, in units of the
            domain. The weight is then the likeliest.
        length_scale: over which velocities are alike, in units of the domain. None chooses one, from about the size of
            a cell to more than half the domain.
        domain: as for :class:`cpabx.Cpab`, [-1, 1] along every axis by default.
        max_iterations: steps for each item. Some 5 to 10 are usual.
        progress: shows a bar, which needs rich.
        backend: only to insist on one; tensors bring their own.

    Returns:
        The maps of sources to targets, of the type and on the device of the source. Ctrl-C returns the best so far,
        and the identity for items that it had not come to. Messages tell of landmarks that contradict each other, of
        folds, and of landmarks on a line.

    Raises:
        ShapeError: landmarks of other shapes, or fewer than n + 1.
        OptionError: landmarks that are not finite, or most of which are far outside of the domain; more than 3000
            vertices; impossible options, or both weight and sigma.
        TessellationError: impossible cells or domain.
        MissingPackageError: progress without rich.
        DtypeError, DeviceError, BackendMismatchError: as in :meth:`cpabx.Cpab.transform`.
    """
    chosen = registry.backend_for(backend, source=source, target=target)
    source, target = as_floats(chosen, source=source, target=target)
    from_, to = arguments.landmarks(source, target)
    cpab = arguments.family(cells, domain, from_.shape[-1])
    arguments.check_size(cpab, from_)
    task = _task(cpab, weight, sigma, length_scale, at_least(1, "max_iterations", max_iterations))
    fits, messages = _all(task, from_, to, flag("progress", progress))
    theta = np.concatenate([np.zeros((0, cpab.n_params)), *(fit.theta for fit in fits)])
    return FittedLandmarks(
        cpab,
        chosen.asarray(theta, like=source),
        (np.array([fit.loss for fit in fits], np.float64),) if fits else (),
        np.array([fit.converged for fit in fits], np.bool_),
        tuple(messages),
        weight=np.array([fit.weight for fit in fits], np.float64),
        length_scale=np.array([fit.covariance.length_scale for fit in fits], np.float64),
        distances=np.array([fit.distances for fit in fits], np.float64).reshape(from_.shape[:2]),
    )


def _task(cpab: Cpab, weight: Any, sigma: Any, length_scale: Any, max_iterations: int) -> Task:
    weight, sigma, length_scale = (
        None if value is None else positive(name, value, or_zero=name == "weight", remedy="None chooses one.")
        for name, value in (("weight", weight), ("sigma", sigma), ("length_scale", length_scale))
    )
    if weight is not None and sigma is not None:
        raise OptionError("sigma chooses the weight", f"sigma={sigma} and weight={weight}", "Leave one of them out.")
    geometry = Geometry(cpab)
    scales = arguments.length_scales(cpab) if length_scale is None else [length_scale]
    covariances = tuple(Covariance(geometry, scale) for scale in scales)
    weight = None if weight is None else max(weight, float(WEIGHTS[0]))
    return Task(cpab, geometry.n_free, covariances, weight, sigma, max_iterations)


def _all(task: Task, source: Array, target: Array, progress: bool) -> tuple[list[Fit], list[str]]:
    """A fit of each item, and how it ended."""
    fits = [Fit(task, *pair) for pair in zip(source, target, strict=True)]  # identities, which cost nothing
    messages: list[str] = []
    try:
        with bar(len(fits), shown=progress) as watch:
            for fit in fits:
                fit.run()
                messages.append(_message(fit))
                watch("landmarks", None)
    except KeyboardInterrupt:
        messages += [_message(fit, interrupted=True) for fit in fits[len(messages) :]]
    return fits, messages


def _message(fit: Fit, *, interrupted: bool = False) -> str:
    if not fit.steps:
        return "not begun before Ctrl-C"
    chosen = f"weight {fit.weight:.3g} and length scale {fit.covariance.length_scale:.3g}"
    if fit.converged:
        end = f"converged after {fit.steps} steps"
    elif interrupted:
        end = f"stopped by Ctrl-C after {fit.steps} steps"
    elif fit.steps >= fit.task.max_iterations:
        end = f"stopped after {fit.steps} steps, still moving: raise weight or max_iterations"
    else:
        end = f"stopped after {fit.steps} steps, none of which made it better: raise weight"
    if fit.too_few and fit.task.weight is None:
        chosen += ", too few landmarks to choose them by"
    return "; ".join([f"{end}, with {chosen}", *notices(fit.source, fit.target, fit.distances, fit.areas)])
