"""An affine map first, which later levels keep."""

from __future__ import annotations

import numpy as np

from cpabx.registration.fitting import Problem, objective_for
from cpabx.registration.layout import channels_last_array, pixel_shape
from cpabx.registration.lbfgs import Array, Index, Minimum, minimise
from cpabx.registration.start import Outer
from cpabx.sampling import pixel_grid
from cpabx.transforms import AffineDiffeo

#: By what images are shrunk, from coarse to fine.
SHRINK = (8, 4, 2)
#: An axis keeps so many pixels, or what it has.
FEWEST = 16


def fit_affine(problem: Problem) -> tuple[Outer, Array]:
    """The flow of an affine field that makes the images alike, and the losses (N,).

    Gauss and Newton's Hessian as at the start, whose field is near the identity.
    """
    backend, full = problem.backend, pixel_shape(problem.backend, problem.images.fixed)
    ndim = len(full)
    family = AffineDiffeo(ndim=ndim)
    n = int(backend.shape(problem.images.fixed)[0] or 0)
    theta, loss = np.zeros((n, family.n_params)), np.zeros(n)
    for shrink in SHRINK:
        size = tuple(max(min(m, FEWEST), -(-m // shrink)) for m in full)
        objective, _, weights = objective_for(problem, family, size, np.zeros((family.n_params,) * 2))
        metric = _Metric(channels_last_array(backend, objective.images.fixed), weights)

        def longest(steps: Array) -> Array:
            return np.asarray(np.minimum(1, 0.2 / np.maximum(np.abs(steps).max(axis=1), 1e-300)))

        best = Minimum(theta, np.full(n, np.inf), np.zeros(n, bool))
        minimise(objective, best, metric=metric, longest=longest, stop=problem.stop)
        better = np.isfinite(best.loss)
        theta, loss = np.where(better[:, None], best.x, theta), best.loss
    return Outer(family, backend.asarray(theta, like=problem.images.fixed)), loss


class _Metric:
    """Inverse Hessians of 2 mean (gradient . v)^2 for v = A x + b, and a little more than nothing."""

    def __init__(self, images: Array, weights: Array) -> None:
        size = images.shape[1:-1]
        ndim = len(size)
        points = pixel_grid(size, False, ((-1.0, 1.0),) * ndim).points
        homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        self._inverse = []
        for image, weight in zip(images, weights, strict=True):
            hessian = np.zeros((ndim * (ndim + 1),) * 2)
            for channel in np.moveaxis(image, -1, 0):
                slopes = [
                    np.gradient(channel, axis=ndim - 1 - i).reshape(-1, 1) * (size[ndim - 1 - i] / 2)
                    if size[ndim - 1 - i] > 1
                    else np.zeros((len(points), 1))
                    for i in range(ndim)
                ]
                rows = np.concatenate([slope * homogeneous for slope in slopes], axis=1)
                hessian += 2 * (rows * weight.reshape(-1, 1)).T @ rows / (len(points) * image.shape[-1])
            hessian += np.eye(len(hessian)) * (1e-6 * np.trace(hessian) + 1e-12)
            self._inverse.append(np.linalg.inv(hessian))

    def __call__(self, gradient: Array, items: Index) -> Array:
        inverse = np.array([self._inverse[i] for i in items]).reshape(-1, *gradient.shape[1:] * 2)
        return np.asarray(np.einsum("nij,nj->ni", inverse, gradient))
