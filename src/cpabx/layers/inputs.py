"""What goes into the layers of every backend, and between their parts: checks, and errors that say what to do."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from cpabx.errors import DtypeError, ShapeError
from cpabx.sampling.layout import KINDS, layout

Shape = Sequence[int | None]


def layers_for(ndim: int) -> str:
    """What a remedy recommends for signals, images or volumes."""
    cells = {1: "(n,)", 2: "(nx, ny)", 3: "(nx, ny, nz)"}[ndim]
    return f"STAffine or STAffineDiffeo with ndim={ndim}, STCPAB or STAffineCPAB with {cells} cells"


def check_images(shape: Shape, ndim: int, *, channels_last: bool) -> None:
    """Raises ShapeError unless a layer in that many dimensions can take them."""
    if len(shape) != ndim + 2:
        raise ShapeError(
            f"{KINDS[ndim]} must be {layout(ndim, channels_last=channels_last)}",
            f"shape {tuple(shape)}",
            _remedy("Add the missing axes", ndim, len(shape) - 2, channels_last),
        )
    for n in shape[1:]:
        if n is not None and n < 1:
            kind = KINDS[ndim]
            raise ShapeError(
                f"{kind} must have at least one pixel and one channel",
                f"shape {tuple(shape)}",
                f"Leave empty {kind} out; a batch of none is allowed.",
            )


def check_input_shape(input_shape: Any, ndim: int, *, channels_last: bool) -> tuple[int, ...]:
    """The shape of one image, without the batch.

    Raises:
        ShapeError: it is not that.
    """
    try:
        axes: tuple[Any, ...] = tuple(input_shape) if not isinstance(input_shape, str) else ()
    except TypeError:
        axes = ()
    try:
        shape = tuple(operator.index(n) for n in axes)
    except TypeError:
        shape = ()
    if len(shape) != ndim + 1 or min(shape) < 1:
        first = "Leave out the batch axis" if len(axes) == ndim + 2 else f"Pass {ndim + 1} whole numbers"
        raise ShapeError(
            f"input_shape must be {layout(ndim, channels_last=channels_last, batch=False)}, at least 1 each",
            repr(input_shape),
            _remedy(first, ndim, len(axes) - 1, channels_last),
        )
    return shape


def _remedy(first: str, ndim: int, received: int, channels_last: bool) -> str:
    """What to do; where another dimension may have been meant, how to get that."""
    if received == ndim or received not in KINDS:
        return f"{first}."
    axes = layout(received, channels_last=channels_last)
    return f"{first}; or for {KINDS[received]} {axes}, use {layers_for(received)}."


def not_floats(ndim: int, received: str, conversion: str) -> DtypeError:
    """The error for images that are no tensor of floats."""
    return DtypeError(
        f"{KINDS[ndim]} of a layer must be a tensor of floats",
        received,
        f"Convert them: {conversion}. Warp label maps by the family, with the layer's theta and mode='nearest'.",
    )


def made_for_others(made_for: Shape | None, received: Shape, *, channels_last: bool, pooling: str) -> ShapeError | None:
    """The error where a localization network fails on images of a shape that it was not made for, else None.

    Args:
        made_for: that of an image when the network got its parameters, None where this is not known.
        received: that of an image now; both are without the batch.
        channels_last: the order of the axes.
        pooling: how to make a network that takes any size.
    """
    if made_for is not None:
        pairs = zip(made_for, received, strict=True)
        if all(None in (made, got) or made == got for made, got in pairs):
            return None
    channels = -1 if channels_last else 0
    if made_for is not None and made_for[channels] not in (None, received[channels]):
        remedy = "Make a layer with this input_shape, or bring the images to its number of channels."
    else:
        remedy = (
            "Resize the images, make a layer with this input_shape, or pass a localization that pools over the whole "
            f"image, and so takes any size: {pooling}."
        )
    expected = "those that its parameters were made for" if made_for is None else f"(N, {_sizes(made_for)})"
    return ShapeError(f"this layer's localization network takes images {expected}", f"(N, {_sizes(received)})", remedy)


def needs_known_size(shape: Shape, ndim: int, *, channels_last: bool, pooling: str) -> ShapeError:
    """The error where a localization network cannot be built for images of unknown size."""
    if shape[-1 if channels_last else 0] is None:
        asked = f"the number of channels of a layer's {KINDS[ndim]} must be known"
        return ShapeError(asked, f"(N, {_sizes(shape)})", "Fix it in the model's input.")
    return ShapeError(
        f"this layer's localization network needs {KINDS[ndim]} of one size, known when it is built",
        f"(N, {_sizes(shape)}) in the layout {layout(ndim, channels_last=channels_last)}",
        "Fix the size in the model's input, resize before the layer, or pass a localization that pools over the whole "
        f"image, and so takes any size: {pooling}.",
    )


def _sizes(shape: Shape) -> str:
    return ", ".join(map(str, shape))


def check_features(shape: Shape | None, received: Any) -> None:
    """Raises ShapeError unless a localization network gave features (N, ...), at least one for each image.

    ``shape`` is None where what it gave is no tensor.
    """
    if shape is not None and len(shape) > 0 and 0 not in shape[1:]:
        return
    raise ShapeError(
        "a localization network must give one tensor of features, (N, ...), at least one for each image",
        f"{type(received).__name__}" if shape is None else f"shape {tuple(shape)}",
        "Let it return the features of the batch as one tensor.",
    )


def check_one_for_each(images: int | None, features: int | None) -> None:
    """Raises ShapeError unless a localization network gave as many rows of features as there were images."""
    if images is not None and features is not None and images != features:
        raise ShapeError(
            "a localization network must give features (N, ...) for N images",
            f"{features} rows for {images} images",
            "Keep the batch in the first axis.",
        )
