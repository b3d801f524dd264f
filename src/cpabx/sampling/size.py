"""How many pixels go into a warp and come out of it: checks of sizes."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import MEMORY, in_bytes
from cpabx.sampling.grid import RunTimeSize
from cpabx.sampling.layout import AXES, KINDS, layout, pixel_axes

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor

#: Along each axis: ``CPAB_MAX_SIZE`` of libcpab.
MOST_PIXELS = 1 << 30

_NUMBERS = {1: "one whole number, in a tuple", 2: "two whole numbers", 3: "three whole numbers"}


def checked_size(output_size: Any, ndim: int = 2, name: str = "output_size") -> tuple[int, ...]:
    """(length,), (height, width) or (depth, height, width) as integers from 1 to ``MOST_PIXELS``.

    Raises:
        OptionError: they are something else, or more pixels in all than fit in memory.
    """
    try:
        size = tuple(operator.index(n) for n in output_size)
        if len(size) != ndim or min(size) < 1 or max(size) > MOST_PIXELS:
            raise ValueError
    except (TypeError, ValueError):
        names = ", ".join(AXES[ndim])
        raise OptionError(
            f"{name} must be ({names}), from 1 to {MOST_PIXELS} each", shown(output_size), f"Pass {_NUMBERS[ndim]}."
        ) from None
    check_room(size, 4, name)
    return size


def check_room(shape: Sequence[int | None], itemsize: int, name: str = "output_size") -> None:
    """Raises OptionError if a result of that shape is larger than the memory, before it is asked for.

    A size that is not known counts as 1.
    """
    n_bytes = math.prod([1 if size is None else size for size in shape]) * itemsize
    if n_bytes > MEMORY:
        raise OptionError(
            f"{name} must be of a result that fits in memory, which is {in_bytes(MEMORY)} here",
            f"{in_bytes(n_bytes)}, for {' x '.join(map(str, shape))} numbers of {itemsize} bytes",
            "Pass a smaller one, or warp fewer images at once.",
        )


def image_size(backend: Backend, images: Tensor, theta: Tensor, ndim: int) -> tuple[Any, ...]:
    """(L,), (H, W) or (D, H, W) of images in the backend's layout: one for each theta, or one of both.

    What is not known before a graph runs is a RunTimeSize.

    Raises:
        ShapeError: they have another number of axes, or no pixels, or are not as many as theta.
    """
    shape, kind = backend.shape(images), KINDS[ndim]
    if len(shape) != ndim + 2:
        axes = layout(ndim, channels_last=backend.channels_last)
        raise ShapeError(f"{kind} must be {axes} in {backend.name}", f"shape {shape}", "Add the missing axes.")
    n = backend.shape(theta)[0]
    if shape[0] is not None and n is not None and shape[0] != n and shape[0] != 1 and n != 1:
        raise ShapeError(
            f"{kind} and theta must have one N, or one of them N = 1", f"{shape[0]} and {n}", "Repeat one of them."
        )
    sizes: list[Any] = []
    first = 1 if backend.channels_last else 2
    for axis, size in enumerate(shape[first : first + ndim], first):
        unknown = None if type(size) is int else backend.run_time_size(images, axis)
        if unknown is None and size is not None and size < 1:
            raise ShapeError(f"{kind} must have at least one pixel", f"shape {shape}", f"Leave empty {kind} out.")
        sizes.append(size if unknown is None else RunTimeSize(unknown))
    return tuple(sizes)


def is_shared(backend: Backend, tensor: Tensor, beside: Tensor) -> bool:
    """Whether a tensor is one for all items of another, (1, ...) beside (N, ...)."""
    n, others = backend.shape(tensor)[0], backend.shape(beside)[0]
    return n != others and n == 1


def check_known(backend: Backend, images: Tensor, ndim: int, what: str) -> None:
    """Raises ShapeError where a size of images is not known before a graph runs."""
    shape = backend.shape(images)
    if any(shape[axis] is None for axis in pixel_axes(ndim, channels_last=backend.channels_last)):
        names, kind = " and ".join(AXES[ndim]), KINDS[ndim]
        raise ShapeError(
            f"{names} of {kind} must be known for {what}", f"shape {shape}", "Fix them in the model's input."
        )
