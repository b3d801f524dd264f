"""Distorted digits, those of section 5.1 and our own: the same for every framework, from a seed.

The paper says that they are akin to those of the spatial transformer paper (Jaderberg et al. 2015, its [27]), whose
RTS set has digits rotated by up to 45 degrees, scaled by 0.7 to 1.2 and placed anywhere on 42 x 42 pixels, all evenly;
it says nothing else. ``rts`` is that. Here, "placed anywhere" means that all ink stays on the canvas.

For its CPAB set the paper gives no distribution. ``cpab`` takes the family of the ST-CPAB layer, ``Cpab((4, 4))`` on
the whole canvas, to which the set is to be tailored, and theta ~ N(0, 0.7^2): of 36 digits looked at with 0.5 to 1.0,
strokes bend more than in handwriting from 0.6 on, and some are hard to read from 0.8 on.

``sliding``, of our digits, puts an image anywhere first and bends the canvas then, whose border slides along itself:
so all of the image stays on it. Its 9 cells bend strokes without tearing off their ends, and theta ~ N(0, 0.5^2) is
about as strong as a person can still read.

The n-th image depends on the seed and on n, not on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import Affine, Cpab, Transformation
from cpabx.errors import OptionError
from cpabx_experiments.data.dataset import Array, Dataset

Floats = NDArray[np.float64]

#: Side of the paper's canvas (Table 1).
CANVAS = 42
#: Degrees to either side, and factors.
ROTATION, SCALES = 45.0, (0.7, 1.2)
#: Families that bend, and the standard deviations of their theta.
BENDING, STRENGTH = Cpab((4, 4)), 0.7
SLIDING, SLIDING_STRENGTH = Cpab((3, 3), boundary="sliding"), 0.5

#: Images that are warped at a time. Always so many: the last bit of a matrix product may depend on its size.
CHUNK = 256


def rts(images: Array, canvas: int = CANVAS, seed: int = 0) -> NDArray[np.float32]:
    """Images rotated, scaled and translated at random onto a larger canvas.

    Args:
        images: (N, n, n, C), float32 in [0, 1] or uint8.
        canvas: side of the result.
        seed: of all random numbers.

    Returns:
        (N, canvas, canvas, C) float32 in [0, 1].

    Raises:
        OptionError: the canvas is too small for some image's ink.
    """
    draws = np.random.default_rng((seed, 0)).random((_whole_chunks(images), 4))
    angles = np.deg2rad(ROTATION * (2 * draws[:, 0] - 1))
    scales = SCALES[0] + (SCALES[1] - SCALES[0]) * draws[:, 1]

    def chunk(part: NDArray[np.float32], which: slice) -> NDArray[np.float32]:
        theta = _similarities(part, canvas, angles[which], scales[which], draws[which, 2:])
        return _warp(Affine(), part, theta, canvas)

    return _chunked(images, canvas, chunk)


def _similarities(images: Array, canvas: int, angles: Floats, scales: Floats, where: Floats) -> Floats:
    """(N, 6) affine maps from the canvas to images, in units of half sides. Before: pixels, from the middle.

    An image goes to the canvas by q = s R p + t. What a pixel at p leaves there is within a square, rotated, whose half
    diagonals are s, so its box reaches s (|cos| + |sin|) beyond; outermost pixels of the canvas are whole inside.
    """
    n = images.shape[1]
    cos, sin = np.cos(angles), np.sin(angles)
    rotation = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], axis=-2)
    forward = scales[:, None, None] * rotation
    reach = scales * (np.abs(cos) + np.abs(sin))
    low, high = _ink_box(images, forward)
    low, high = low - reach[:, None], high + reach[:, None]
    least, most = -(canvas + 1) / 2 - low, (canvas + 1) / 2 - high
    if (least > most).any():
        widest = float((high - low).max())
        raise OptionError(
            f"a canvas must have room for ink {widest:.1f} pixels wide", f"{canvas}", "Take a larger one."
        )
    shift = least + where * (most - least)
    backward = np.swapaxes(rotation, -1, -2) / scales[:, None, None]
    offset = -backward @ shift[:, :, None]
    return np.concatenate([backward * canvas / n, offset * 2 / n], axis=-1).reshape(-1, 6)


def _ink_box(images: Array, forward: Floats) -> tuple[Floats, Floats]:
    """(N, 2) least and greatest x and y to which (N, 2, 2) matrices take pixels that are not 0; 0 without any."""
    axis = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    x, y = np.meshgrid(axis, axis)
    moved = forward @ np.stack([x.ravel(), y.ravel()])
    ink = (images > 0).any(-1).reshape(len(images), 1, -1)
    low, high = np.where(ink, moved, np.inf).min(-1), np.where(ink, moved, -np.inf).max(-1)
    some = ink.any(-1)
    return np.where(some, low, 0.0), np.where(some, high, 0.0)


def cpab(images: Array, canvas: int = CANVAS, seed: int = 0) -> NDArray[np.float32]:
    """Images bent by random CPAB transformations of a larger canvas, then moved by whole pixels.

    An image of which something would leave the canvas gets half its theta, and again until nothing does: at the
    strength above, 1 digit in 200.

    Args, returns and raises: as :func:`rts`.
    """
    n = _whole_chunks(images)
    thetas = STRENGTH * np.random.default_rng((seed, 1)).standard_normal((n, BENDING.n_params))
    where = np.random.default_rng((seed, 2)).random((n, 2))

    def chunk(part: NDArray[np.float32], which: slice) -> NDArray[np.float32]:
        bent = _bent(_centred(part, canvas), thetas[which])
        for image, place in zip(bent, where[which], strict=True):
            image[:] = _moved(image, place)
        return bent

    return _chunked(images, canvas, chunk)


def _centred(images: NDArray[np.float32], canvas: int) -> NDArray[np.float32]:
    margin = canvas - images.shape[1]
    if margin < 2:
        raise OptionError(
            f"a canvas must be 2 wider than images of {images.shape[1]}", f"{canvas}", "Take a larger one."
        )
    pad = (margin // 2, margin - margin // 2)
    return np.pad(images, ((0, 0), pad, pad, (0, 0)))


def _bent(images: NDArray[np.float32], theta: Floats) -> NDArray[np.float32]:
    canvas = images.shape[1]
    theta = theta.copy()
    while True:
        bent = _warp(BENDING, images, theta, canvas)
        inner = bent[:, 1:-1, 1:-1]
        outside = (bent > 0).sum((1, 2, 3)) > (inner > 0).sum((1, 2, 3))
        if not outside.any():
            return bent
        theta[outside] /= 2


def _moved(image: NDArray[np.float32], place: Floats) -> NDArray[np.float32]:
    """An image moved to where its ink, which stays on it, is at place in [0, 1)^2 of all possible rows and columns."""
    ink: NDArray[np.bool_] = np.any(image > 0, axis=-1)
    shift = []
    for axis, u in enumerate(place):
        used = np.flatnonzero(ink.any(1 - axis))
        first, last = (used[0], used[-1]) if len(used) else (0, 0)
        shift.append(int(u * (len(ink) - last + first)) - first)
    return np.roll(image, shift, axis=(0, 1))


def sliding(images: Array, canvas: int = CANVAS, seed: int = 0) -> NDArray[np.float32]:
    """Images put anywhere on a larger canvas, by whole pixels, and bent by random CPAB transformations of all of it.

    Args, returns and raises: as :func:`rts`.
    """
    n, side = _whole_chunks(images), images.shape[1]
    if side >= canvas:
        raise OptionError(f"a canvas must be wider than images of {side}", f"{canvas}", "Take a larger one.")
    corners = np.random.default_rng(seed).integers(0, canvas - side + 1, (n, 2))
    thetas = SLIDING_STRENGTH * np.random.default_rng(seed).standard_normal((n, SLIDING.n_params))

    def chunk(part: NDArray[np.float32], which: slice) -> NDArray[np.float32]:
        whole = np.zeros((len(part), canvas, canvas, part.shape[-1]), np.float32)
        for image, on_canvas, (row, column) in zip(part, whole, corners[which], strict=True):
            on_canvas[row : row + side, column : column + side] = image
        return _warp(SLIDING, whole, thetas[which], canvas)

    return _chunked(images, canvas, chunk)


def _warp(family: Transformation, images: Array, theta: Floats, size: int) -> NDArray[np.float32]:
    warped: Any = family.warp(images, theta.astype(np.float32), (size, size), backend="numpy")
    return np.asarray(np.clip(warped, 0, 1), np.float32)


def _chunked(
    images: Array, canvas: int, distort: Callable[[NDArray[np.float32], slice], NDArray[np.float32]]
) -> NDArray[np.float32]:
    n, side, width, channels = images.shape
    if side != width:
        raise OptionError("images to distort must be square", f"{side} x {width}", "Crop them.")
    result = np.empty((n, canvas, canvas, channels), np.float32)
    for start in range(0, n, CHUNK):
        part = images[start : start + CHUNK]
        whole = np.zeros((CHUNK, side, side, channels), np.float32)
        whole[: len(part)] = part / np.float32(255) if part.dtype == np.uint8 else part
        result[start : start + CHUNK] = distort(whole, slice(start, start + CHUNK))[: len(part)]
    return result


def _whole_chunks(images: Array) -> int:
    """For how many images numbers are drawn."""
    return -(-len(images) // CHUNK) * CHUNK


DISTORTIONS = {"rts": rts, "cpab": cpab, "sliding": sliding}


def distort(kind: str, data: Dataset, seed: int, canvas: int = CANVAS) -> Dataset:
    """A data set of distorted images.

    Args:
        kind: ``"rts"``, ``"cpab"`` or ``"sliding"``.
        data: the images to distort, and their labels.
        seed: of the distortion; take another one for a test set.
        canvas: side of the result.

    Raises:
        OptionError: no such kind, or the canvas is too small.
    """
    if kind not in DISTORTIONS:
        raise OptionError(f"a distortion is one of {', '.join(DISTORTIONS)}", repr(kind), "Choose one.")
    return Dataset(f"{data.name} {kind}", DISTORTIONS[kind](data.images, canvas, seed), data.labels)


__all__ = ["CANVAS", "DISTORTIONS", "cpab", "distort", "rts", "sliding"]
