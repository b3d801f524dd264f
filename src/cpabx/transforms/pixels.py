"""Warping: the grid of an image's pixels, and sampling at what a transformation makes of it."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError
from cpabx.transforms.arguments import as_floats

if TYPE_CHECKING:
    from cpabx.transforms.base import Transformation

PADDING_MODES = ("zeros", "border", "reflection")


@functools.lru_cache(maxsize=32)
def grid_points(
    height: int, width: int, align_corners: bool, domain: tuple[tuple[float, float], ...]
) -> NDArray[np.float64]:
    """(height * width, 2) positions of the pixels in the domain, row by row.

    With ``align_corners`` the outermost pixels' centres lie on the border of the domain, without it
    their outer edges do.
    """
    axes = []
    for size, (low, high) in zip((width, height), domain, strict=True):
        if align_corners:
            unit = np.linspace(0, 1, size) if size > 1 else np.array([0.5])
        else:
            unit = (np.arange(size) + 0.5) / size
        axes.append(low + unit * (high - low))
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2)
    points.flags.writeable = False
    return points


def check_padding_mode(padding_mode: Any) -> None:
    """Raises OptionError if there is no such mode."""
    if padding_mode not in PADDING_MODES:
        raise OptionError(
            f"padding_mode must be one of {', '.join(PADDING_MODES)}", repr(padding_mode), "Choose one of them."
        )


def checked_size(output_size: Any) -> tuple[int, int]:
    """(height, width) as integers of at least 1."""
    try:
        height, width = (operator.index(n) for n in output_size)
        if height < 1 or width < 1:
            raise ValueError
    except (TypeError, ValueError):
        raise OptionError(
            "output_size must be (height, width), at least 1 each", repr(output_size), "Pass two whole numbers."
        ) from None
    return height, width


def warp(
    transformation: Transformation,
    backend: Backend,
    images: Tensor,
    theta: Tensor,
    output_size: Any,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    """:meth:`cpabx.Transformation.warp`."""
    check_padding_mode(padding_mode)
    if transformation.ndim != 2:
        raise OptionError("warp is for images, in 2D", f"{transformation!r}", "Use transform.")
    theta, images = as_floats(backend, theta=theta, images=images)
    transformation.check_theta(backend, theta)
    height, width = _output_size(backend, images, theta, output_size)
    points = backend.constant(grid_points(height, width, bool(align_corners), transformation.domain), like=theta)
    moved = transformation._apply(backend, backend.reshape(points, (1, height * width, 2)), theta)
    grid = backend.reshape(_to_unit(backend, moved, transformation.domain), (-1, height, width, 2))
    warped = backend.sample(images, grid, padding_mode=padding_mode, align_corners=bool(align_corners))
    # A sampler takes NaN for some place in the image; x * 0 is 0, or NaN if x is not finite.
    return warped + backend.reshape(backend.sum(theta * 0, axis=-1), (-1, 1, 1, 1))


def _to_unit(backend: Backend, points: Tensor, domain: tuple[tuple[float, float], ...]) -> Tensor:
    """From the domain to [-1, 1]^2."""
    if domain == ((-1.0, 1.0), (-1.0, 1.0)):
        return points
    low, high = np.array(domain).T
    return (points - backend.asarray((low + high) / 2, like=points)) * backend.asarray(2 / (high - low), like=points)


def _output_size(backend: Backend, images: Tensor, theta: Tensor, output_size: Any) -> tuple[int, int]:
    shape = backend.shape(images)
    layout = "(N, H, W, C)" if backend.channels_last else "(N, C, H, W)"
    if len(shape) != 4:
        raise ShapeError(f"images must be {layout} in {backend.name}", f"shape {shape}", "Add the missing axes.")
    n = backend.shape(theta)[0]
    if shape[0] is not None and n is not None and shape[0] != n:
        raise ShapeError("images and theta must have one N", f"{shape[0]} and {n}", "Repeat one of them.")
    size: tuple[Any, ...] = shape[1:3] if backend.channels_last else shape[2:4]
    if None in size:
        raise ShapeError("height and width of images must be known", f"shape {shape}", "Fix them in the model's input.")
    if min(size) < 1:
        raise ShapeError("images must have at least one pixel", f"shape {shape}", "Leave empty images out.")
    return (size[0], size[1]) if output_size is None else checked_size(output_size)
