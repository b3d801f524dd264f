"""An image, and what a transformation makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError, shown
from cpabx.plot.arguments import Array, one_theta, whole
from cpabx.plot.canvas import Domain, axes, draw_lines, pyplot
from cpabx.plot.grid import grid_lines
from cpabx.transforms import Transformation
from cpabx.transforms.arguments import host_values

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def before_after(
    transformation: Transformation,
    image: Tensor,
    theta: Tensor,
    *,
    n_lines: int = 9,
    mode: str = "linear",
    padding_mode: str = "zeros",
    align_corners: bool = False,
    ax: Sequence[Axes] | None = None,
) -> tuple[Axes, Axes]:
    """Draw an image, and beside it what :meth:`cpabx.Transformation.warp` makes of it.

    A regular grid lies over the result, and over the image the places where it was sampled: each line on
    the right shows what lies under its image, T^theta, on the left.

    Args:
        transformation: any family in 2D.
        image: (H, W), or one image with channels in its backend's layout, (C, H, W) in torch and else (H, W, C), with
            1, 3 or 4 channels. Bytes are taken for 0 to 255; colours of floats are between 0 and 1.
        theta: (d,) or (1, d).
        n_lines: of the grid, along each axis; 0 for none.
        mode: ``"linear"``, ``"cubic"`` or ``"nearest"``,
        padding_mode: ``"zeros"``, ``"border"``, ``"reflection"`` or ``"wrap"``, and
        align_corners: as in :meth:`cpabx.Transformation.warp`.
        ax: two axes; None makes a figure with two.

    Returns:
        Both axes.

    Raises:
        UnsupportedError: a family in 1D or 3D.
        ShapeError, DtypeError, OptionError: arguments that do not fit or do not exist.
        MissingPackageError: matplotlib is not installed.
    """
    if not isinstance(transformation, Transformation):
        raise OptionError("transformation must be a family", shown(transformation), "For instance cpabx.Affine().")
    if transformation.ndim != 2:
        raise UnsupportedError("images have two dimensions", shown(transformation), "Pass a family in 2D.")
    theta, before = one_theta(transformation, theta), one_image(image)
    n_lines = whole("n_lines", n_lines, 0)
    options: dict[str, Any] = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    after = transformation.warp(before[None], theta, **options)[0]
    left, right = _pair(ax)
    for one, picture, title in ((left, before, "before"), (right, after, "after")):
        _show(one, picture, before, transformation.domain, align_corners)
        one.set_title(title)
    if n_lines:
        straight = grid_lines(transformation.domain, n_lines)
        moved = transformation.transform(straight.reshape(-1, 2), theta)[0].reshape(straight.shape)
        _overlay(left, moved)
        _overlay(right, straight)
    return left, right


def one_image(image: Tensor) -> Array:
    """(H, W, C) in float64, bytes scaled to [0, 1].

    Raises:
        ShapeError, DtypeError: it is no image, or several.
    """
    given = values = host_values("image", image, "iufb")
    if values.ndim == 2:
        values = values[..., None]
    elif values.ndim == 3 and not registry.get_backend(registry.owner(image) or "numpy").channels_last:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[2] not in (1, 3, 4) or 0 in values.shape:
        layout = "(C, H, W) in torch, (H, W, C) elsewhere"
        raise ShapeError(
            f"image must be (H, W), or {layout}, with 1, 3 or 4 channels", f"shape {given.shape}", "Pass one."
        )
    return values / 255 if values.dtype == np.uint8 else values.astype(np.float64)


def _pair(ax: Any) -> tuple[Axes, Axes]:
    if ax is None:
        ax = pyplot().subplots(1, 2, figsize=(8.4, 4.5), layout="constrained")[1]
    if isinstance(ax, np.ndarray):
        ax = list(ax.flat)
    if not isinstance(ax, Sequence) or len(ax) != 2:
        raise OptionError("ax must be two axes", type(ax).__name__, "plt.subplots(1, 2)[1] makes them.")
    return axes(ax[0]), axes(ax[1])


def _show(ax: Axes, image: Array, scale: Array, domain: Domain, align_corners: bool) -> None:
    """The image where it lies in the domain, grey values in the scale of another."""
    (left, right), (top, bottom) = (
        _edges(interval, n, align_corners) for interval, n in zip(domain, image.shape[1::-1], strict=True)
    )
    grey = image.shape[2] == 1
    ax.imshow(
        image[..., 0] if grey else np.clip(image, 0, 1),
        extent=(left, right, bottom, top),
        cmap="gray",
        vmin=scale.min(),
        vmax=scale.max(),
        interpolation="nearest",
    )
    ax.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def _edges(interval: tuple[float, float], n: int, align_corners: bool) -> tuple[float, float]:
    """Outer edges of n pixels, whose outermost centres lie on the interval's ends if corners are aligned."""
    low, high = interval
    half = (high - low) / (n - 1) / 2 if align_corners and n > 1 else 0.0
    return low - half, high + half


def _overlay(ax: Axes, lines: Array) -> None:
    """White lines on dark ones: visible on anything."""
    draw_lines(ax, lines, color="black", linewidth=1.8, alpha=0.35, zorder=2)
    draw_lines(ax, lines, color="white", linewidth=0.8, alpha=0.9, zorder=3)
