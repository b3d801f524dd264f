"""What :func:`cpabx.register` is given, checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError, shown
from cpabx.priors import GaussianPrior, VelocityPrior
from cpabx.registration.layout import channels, pixel_shape
from cpabx.registration.objective import Images
from cpabx.sampling.layout import layout, pixel_axes
from cpabx.tracing import kept
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats, host_values

Array = NDArray[np.float64]

#: Of the prior by default, in shares of the domain's side of 2: see docs/registration.md for what chose them.
LENGTH_SCALE, SPEED = 0.25, 0.05


def checked_images(moving: Any, fixed: Any, mask: Any, name: str | None) -> tuple[Backend, Images, int]:
    """The backend, images as floats of one type, N each, and the number of axes of pixels.

    Raises:
        ShapeError: they are no images, or do not go together.
        OptionError: NaN or infinite values, where no mask leaves them out; a mask of nothing.
        UnsupportedError: a backend that does not differentiate.
    """
    backend = registry.backend_for(name, moving=moving, fixed=fixed)
    moving, fixed = as_floats(backend, moving=moving, fixed=fixed)
    if "autograd" not in backend.supports:
        raise UnsupportedError(
            "register needs a backend that differentiates",
            f"backend {backend.name!r}",
            "Pass tensors of torch or TensorFlow.",
        )
    shapes = backend.shape(moving), backend.shape(fixed)
    ndim = len(shapes[1]) - 2
    if ndim not in (1, 2, 3) or len(shapes[0]) != len(shapes[1]):
        forms = ", ".join(layout(n, channels_last=backend.channels_last) for n in (1, 2, 3))
        raise ShapeError(f"images must be {forms}, both alike", f"shapes {shapes[0]} and {shapes[1]}", "Add axes.")
    if channels(backend, moving) != channels(backend, fixed):
        raise ShapeError(
            "moving and fixed images must have the same channels",
            f"{channels(backend, moving)} and {channels(backend, fixed)}",
            "Reduce both to one, for instance to grey.",
        )
    n = max(shapes[0][0] or 0, shapes[1][0] or 0)
    if 0 in (*shapes[0], *shapes[1]):
        raise ShapeError("images must have pixels", f"shapes {shapes[0]} and {shapes[1]}", "Pass one pair at least.")
    weights = None if mask is None else _checked_mask(backend, mask, fixed, ndim)
    if weights is not None:
        n = max(n, backend.shape(weights)[0] or 0)
        zero = fixed * 0
        fixed = backend.where(weights + zero > 0, fixed, backend.asarray(np.zeros(()), like=fixed))
    whole = {"moving": moving, "fixed": fixed}
    whole |= {} if weights is None else {"mask": weights}
    for key, tensor in whole.items():
        count = backend.shape(tensor)[0]
        if count not in (1, n):
            raise ShapeError("moving, fixed and mask must have one N, or 1", f"{count} beside {n}", f"Repeat {key}.")
        if not np.isfinite(backend.to_numpy(tensor)).all():
            raise OptionError(
                f"{key} must be finite", "NaN or infinite values", "Replace them, and mask them in the fixed image."
            )
        if count != n:
            whole[key] = backend.take(tensor, np.zeros(n, np.int64), axis=0)
    return backend, Images(whole["moving"], whole["fixed"], whole.get("mask")), ndim


def _checked_mask(backend: Backend, mask: Any, fixed: Tensor, ndim: int) -> Tensor:
    """(N, 1, ...) weights of mean 1."""
    size = pixel_shape(backend, fixed)
    values = np.asarray(host_values("mask", mask, "biuf"), np.float64)
    shape = (1, *size) if values.shape == size else values.shape
    if len(shape) == ndim + 2 and shape[-1 if backend.channels_last else 1] == 1:
        shape = (shape[0], *(shape[axis] for axis in pixel_axes(ndim, channels_last=backend.channels_last)))
    if shape[1:] != size:
        raise ShapeError(
            f"mask must have one number for each pixel of the fixed image, {size} or (N, {', '.join(map(str, size))})",
            f"shape {values.shape}",
            "Reduce channels to one.",
        )
    array = values.reshape(shape[0], -1)
    if not np.isfinite(array).all() or (array < 0).any() or (array.sum(axis=1) <= 0).any():
        raise OptionError(
            "mask must have numbers of 0 or more, and more than 0 somewhere in each image",
            "an image without any" if np.isfinite(array).all() and (array >= 0).all() else "negative or NaN",
            "1 is a pixel that counts, 0 one that does not.",
        )
    array = array / array.mean(axis=1, keepdims=True)
    own = (len(array), *size, 1) if backend.channels_last else (len(array), 1, *size)
    return backend.asarray(array.reshape(own), like=fixed)


def checked_prior(regularizer: Any) -> Callable[[Cpab], Array]:
    """What makes the precision (d, d) of the prior of a family.

    Raises:
        OptionError: it is no function, or returns something else.
    """
    if regularizer is None:
        return lambda family: default_precision(family.tessellation.cells, family.boundary)
    if not callable(regularizer):
        raise OptionError(
            "regularizer must be a function of a cpabx.Cpab that returns a prior",
            shown(regularizer),
            "For instance lambda cpab: cpabx.VelocityPrior(cpab, length_scale=0.5).",
        )

    def precision(family: Cpab) -> Array:
        made = regularizer(family)
        if not isinstance(made, GaussianPrior) or made.cpab != family:
            raise OptionError(
                "regularizer must return a prior of the family that it is given", shown(made), "Pass the family on."
            )
        return made.precision

    return precision


@kept(16)
def family_of(cells: tuple[int, ...], boundary: str) -> Cpab:
    """With a nodal basis, in which Hessians are sparse."""
    return Cpab(cells, boundary=boundary, outside="nearest", basis="nodal")


@kept(16)
def default_precision(cells: tuple[int, ...], boundary: str) -> Array:
    """It takes a second for a thousand parameters, so it is kept; the prior's own matrices are not."""
    return VelocityPrior(family_of(cells, boundary), length_scale=LENGTH_SCALE, scale=SPEED).precision
