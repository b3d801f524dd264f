"""How fits ended, in words, one for each item."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend
from cpabx.fitted import FittedTransformation
from cpabx.registration.fitting import Progress
from cpabx.registration.layout import channels_last_array
from cpabx.registration.objective import Images
from cpabx.registration.pyramid import Level
from cpabx.sampling import pixel_grid

Array = NDArray[np.float64]


def messages(
    backend: Backend,
    images: Images,
    done: Progress,
    levels: tuple[Level, ...],
    fitted: FittedTransformation,
    limits: tuple[float, float],
) -> tuple[str, ...]:
    """Per item: whether it converged, diverged, ran out of iterations or was interrupted, and what is noteworthy."""
    cells = levels[len(done.loss) - 1].cells
    areas = _areas(backend, images, fitted)
    constant = {
        name: np.ptp(channels_last_array(backend, batch).reshape(len(fitted), -1), axis=1) == 0
        for name, batch in (("moving", images.moving), ("fixed", images.fixed))
    }
    texts = []
    for i in range(len(fitted)):
        failed = next((k for k, loss in enumerate(done.loss) if not np.isfinite(loss[i])), None)
        if failed is not None:
            text = f"diverged at level {levels[failed].cells}: raise weight or stretching"
        elif done.converged[i]:
            text = f"converged at level {cells}"
        elif done.interrupted:
            text = f"interrupted at level {cells}"
        else:
            text = f"not converged at level {cells}: raise iterations or tolerance"
        for name, flat in constant.items():
            if flat[i]:
                text += f"; the {name} image is constant, which nothing can be aligned to"
        low, high = areas[0][i], areas[1][i]
        if low < limits[0] or high > limits[1]:
            text += f"; areas are multiplied by {low:.2g} to {high:.2g}: raise stretching to hold them within {limits}"
        texts.append(text)
    return tuple(texts)


def _areas(backend: Backend, images: Images, fitted: FittedTransformation) -> tuple[Array, Array]:
    """(N,) the least and the largest at the pixels of the fixed images."""
    size = channels_last_array(backend, images.fixed).shape[1:-1]
    family = fitted.transformation
    points = pixel_grid(size, False, family.domain).tensor(backend, like=fitted.theta)
    logs = np.asarray(backend.to_numpy(fitted.log_det_jacobian(points)), np.float64)
    with np.errstate(over="ignore"):
        return np.exp(logs.min(axis=1)), np.exp(logs.max(axis=1))
