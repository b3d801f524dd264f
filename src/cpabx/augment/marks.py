"""Keypoints and boxes, which move with what they mark: by the inverse of the map that images are looked up with."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx import registry
from cpabx.augment.pictures import floor
from cpabx.backend import Backend, Tensor
from cpabx.errors import ShapeError, UnsupportedError
from cpabx.layers.options import check_family
from cpabx.options import flag
from cpabx.sampling.size import checked_size
from cpabx.tracing import kept
from cpabx.transforms import Transformation
from cpabx.transforms.arguments import as_floats
from cpabx.transforms.base import Array, frozen
from cpabx.transforms.draws import of_a_framework

#: Points along an edge of a box, its ends included.
PER_EDGE = 65

#: How near, in pixels, a pixel's centre must be to a box to be counted as within.
MARGIN = 0.05


def move_keypoints(
    transformation: Transformation, points: Tensor, theta: Tensor, size: tuple[int, int], *, backend: str | None = None
) -> Tensor:
    """Where marked points of an image are, once it has been warped.

    Args:
        transformation: the family.
        points: (K, 2), shared by all theta, or (N, K, 2): (x, y) in pixels, where pixel i has its centre at i, as in
            ``grid(units="pixels")``, torchvision, kornia and albumentations.
        theta: (N, d), by which the image was warped.
        size: (height, width) of the image.
        backend: only to insist on one.

    Returns:
        (N, K, 2), which may be outside the image if the family's boundary is free.

    Raises:
        UnsupportedError: the family has no inverse.
        ShapeError, DtypeError, DeviceError, BackendMismatchError, OptionError: as in
            :meth:`cpabx.Transformation.inverse`, and for an impossible size.
    """
    check_family(transformation)
    chosen = registry.backend_for(backend, points=points, theta=theta)
    theta, points = as_floats(chosen, theta=theta, points=points)
    extent = pixels(chosen, size, points)
    return moved_back(chosen, transformation, points + 0.5, theta, extent) - 0.5


def move_boxes(
    transformation: Transformation,
    boxes: Tensor,
    theta: Tensor,
    size: tuple[int, int],
    *,
    whole_pixels: bool = True,
    backend: str | None = None,
) -> Tensor:
    """The boxes around what was in boxes of an image, once it has been warped.

    A box's edges become curves. The new box goes round 256 points of them, and as far beyond as the curves may bend
    between two of these.

    Args:
        transformation: the family.
        boxes: (K, 4), shared by all theta, or (N, K, 4): (x1, y1, x2, y2) in pixels, where the image goes from 0 to its
            width and height, and pixel i from i to i + 1.
        theta: (N, d), by which the image was warped.
        size: (height, width) of the image.
        whole_pixels: the new box also holds, whole, each pixel whose centre is in the curves, or 0.05 pixels beside
            them: as a mask warped by the same theta has these pixels, it lies in its box to its edges.
        backend: only to insist on one.

    Returns:
        (N, K, 4). What is no box, as its size is not positive, stays as it is. With a free boundary a box may go
        beyond the image: clip it.

    Raises:
        CpabxError: as in :func:`move_keypoints`.
    """
    check_family(transformation)
    whole_pixels = flag("whole_pixels", whole_pixels)
    chosen = registry.backend_for(backend, boxes=boxes, theta=theta)
    theta, boxes = as_floats(chosen, theta=theta, boxes=boxes)
    shape = chosen.shape(boxes)
    if len(shape) not in (2, 3) or shape[-1] != 4:
        raise ShapeError("boxes must be (K, 4) or (N, K, 4)", f"shape {shape}", "Pass (x1, y1, x2, y2) of each.")
    if len(shape) == 2:
        boxes = boxes[None]
    n_boxes = shape[-2]
    if n_boxes is None:
        raise ShapeError("the number of boxes must be known", f"shape {shape}", "Pad boxes to one number.")
    if n_boxes == 0:
        return boxes + chosen.sum(theta, axis=-1)[:, None, None] * 0
    corners = chosen.matmul(boxes, chosen.constant(_corners_of_box(), like=boxes))
    curves = moved_outlines(chosen, transformation, chosen.reshape(corners, (-1, n_boxes, 4, 2)), theta, size)
    bent = chosen.matmul(chosen.constant(_half_bend(), like=curves), curves)
    bent = chosen.where(bent < 0, -bent, bent)
    high = chosen.max(curves + bent, axis=2)
    low = -chosen.max(bent - curves, axis=2)
    if whole_pixels:
        low, high = _with_whole_pixels(chosen, low, high)
    moved = chosen.concat([low, high], axis=-1)
    is_box = (boxes[..., 2:3] > boxes[..., :1]) & (boxes[..., 3:] > boxes[..., 1:2])
    return chosen.where(is_box, moved, boxes + moved * 0)


def moved_outlines(
    backend: Backend, transformation: Transformation, corners: Tensor, theta: Tensor, size: tuple[int, int]
) -> Tensor:
    """Points along the edges of quadrilaterals, where they are once the image has been warped.

    Args:
        backend: the one of the tensors.
        transformation: the family.
        corners: (1 or N, K, 4, 2), one after another along the outline, with pixel i from i to i + 1.
        theta: (N, d).
        size: (height, width) of the image.

    Returns:
        (N, K, P, 2).
    """
    n_boxes = backend.shape(corners)[1]
    along = backend.constant(_along_outline(), like=corners)
    outlines = backend.matmul(along, corners)
    points = backend.reshape(outlines, (-1, int(n_boxes or 0) * len(_along_outline()), 2))
    curves = moved_back(backend, transformation, points, theta, pixels(backend, size, corners))
    return backend.reshape(curves, (-1, int(n_boxes or 0), len(_along_outline()), 2))


def moved_back(backend: Backend, transformation: Transformation, points: Tensor, theta: Tensor, extent: Tensor) -> Any:
    """The inverse map of points that go from 0 to the extent (2,) of an image, (N, P, 2)."""
    if transformation.ndim != 2:
        raise UnsupportedError("keypoints and boxes are those of images", f"{transformation!r}", "Pass a family in 2D.")
    low, high = np.array(transformation.domain).T
    lower, width = backend.constant(low, like=points), backend.constant(high - low, like=points)
    moved = transformation.inverse(points / extent * width + lower, theta, backend=backend.name)
    return (moved - lower) / width * extent


def pixels(backend: Backend, size: Any, like: Tensor) -> Tensor:
    """(2,) width and height of an image, as floats of the kind of a tensor; sizes may be scalars of a graph."""
    if isinstance(size, tuple) and any(of_a_framework(n) for n in size):
        return backend.concat([backend.reshape(backend.asarray(n, like=like), (1,)) for n in reversed(size)], axis=0)
    height, width = checked_size(size, 2, "size")
    return backend.constant(_pair(width, height), like=like)


def _with_whole_pixels(backend: Backend, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    first = -floor(backend, -(low - 0.5 - MARGIN))
    last = floor(backend, high + 0.5 + MARGIN)
    return backend.where(first < low, first, low), backend.where(last > high, last, high)


@kept(8)
def _pair(x: int, y: int) -> Array:
    return frozen(np.array([x, y], np.float64))


@kept(1)
def _corners_of_box() -> Array:
    """(4, 8): from (x1, y1, x2, y2) to its corners (x, y), along the outline."""
    corners = np.zeros((4, 4, 2))
    for corner, (x, y) in enumerate(((0, 1), (2, 1), (2, 3), (0, 3))):
        corners[x, corner, 0] = corners[y, corner, 1] = 1
    return frozen(corners.reshape(4, 8))


@kept(1)
def _half_bend() -> Array:
    """(P, P): half of the second differences at points between corners.

    Where a curve has its extremum between two points, at a kink, one of these two and this are as far.
    """
    n, per_edge = 4 * (PER_EDGE - 1), PER_EDGE - 1
    inner = np.arange(n)[np.arange(n) % per_edge != 0]
    matrix = np.zeros((n, n))
    matrix[inner, inner] = -1
    matrix[inner, inner - 1] = matrix[inner, (inner + 1) % n] = 0.5
    return frozen(matrix)


@kept(1)
def _along_outline() -> Array:
    """(P, 4): weights of the corners at points of the outline, each corner once."""
    t = np.linspace(0, 1, PER_EDGE)[:-1]
    edges = [np.outer(1 - t, np.eye(4)[i]) + np.outer(t, np.eye(4)[(i + 1) % 4]) for i in range(4)]
    return frozen(np.concatenate(edges))
