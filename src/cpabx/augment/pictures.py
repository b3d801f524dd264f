"""Images and masks seen through maps, of any element type."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import DtypeError
from cpabx.layers.options import check_family
from cpabx.sampling.grid import PixelGrid, RunTimeGrid
from cpabx.sampling.labels import LABELS
from cpabx.transforms import Transformation
from cpabx.transforms.arguments import as_floats
from cpabx.transforms.base import Array

#: What float32 holds exactly.
_SMALL = ("bool", "uint8", "int8", "int16", "uint16")
_HALVES = ("float16", "bfloat16")


def warp_images(
    transformation: Transformation,
    images: Tensor,
    theta: Tensor,
    *,
    mode: str = "linear",
    padding_mode: str = "border",
    fill: Any = 0,
    backend: str | None = None,
) -> Tensor:
    """Images through maps, as :meth:`cpabx.Transformation.warp`, but of whole numbers and half precision as well.

    Args:
        transformation: the family, such as a :attr:`RandomField.cpab`.
        images: in the layout of the backend: (N, C, H, W) in torch, (N, H, W, C) elsewhere.
        theta: (N, d).
        mode: ``"linear"``, ``"cubic"`` or ``"nearest"``.
        padding_mode: as in ``warp``. ``"border"`` leaves no seam where the border of the image maps to itself.
        fill: as in ``warp``, with ``padding_mode="zeros"``.
        backend: only to insist on one.

    Returns:
        Images of the same shape and type. Whole numbers are computed with in theta's type, and rounded to the
        nearest, halves up; what cubic interpolation takes beyond their range becomes its end.

    Raises:
        DtypeError: images of booleans, which are masks.
        OptionError: a transformation that is none.
        CpabxError: as in ``warp``.
    """
    chosen = _checked(transformation, backend, images=images, theta=theta)
    options = {"mode": mode, "padding_mode": padding_mode, "fill": fill}
    dtype = chosen.dtype(images) if registry.owner(images) is not None else ""
    if dtype not in (*LABELS, *_HALVES):
        return transformation.warp(images, theta, backend=chosen.name, **options)
    if dtype == "bool":
        raise DtypeError("images must be numbers", dtype, "Warp masks by warp_masks.")
    (theta,) = as_floats(chosen, theta=theta)
    warped = transformation.warp(chosen.asarray(images, dtype=chosen.dtype(theta)), theta, **options)
    return chosen.asarray(warped if dtype in _HALVES else _whole(chosen, warped, dtype, mode, fill), dtype=dtype)


def warp_masks(
    transformation: Transformation,
    masks: Tensor,
    theta: Tensor,
    *,
    padding_mode: str = "border",
    fill: Any = 0,
    backend: str | None = None,
) -> Tensor:
    """Masks and label maps through maps: each pixel is the nearest one at its place, whatever its type.

    Args:
        transformation: the family.
        masks: in the layout of images, with one channel or several, of booleans, whole numbers or floats.
        theta: (N, d), of the masks' type if they are float32 or float64.
        padding_mode: as in :func:`warp_images`.
        fill: the label of what is beyond, with ``padding_mode="zeros"``.
        backend: only to insist on one.

    Returns:
        Masks of the same shape and type, with no label that was not there (or ``fill``).

    Raises:
        CpabxError: as in :meth:`cpabx.Transformation.warp`.
    """
    chosen = _checked(transformation, backend, masks=masks, theta=theta)
    options: dict[str, Any] = {"mode": "nearest", "padding_mode": padding_mode, "fill": fill}
    dtype = chosen.dtype(masks) if registry.owner(masks) is not None else ""
    if dtype not in _SMALL and dtype not in _HALVES:
        if dtype not in LABELS:
            theta, masks = as_floats(chosen, theta=theta, masks=masks)
        return transformation.warp(masks, theta, backend=chosen.name, **options)
    (theta,) = as_floats(chosen, theta=theta)  # much faster than by the pixels' numbers, and the same
    warped = transformation.warp(chosen.asarray(masks, dtype=chosen.dtype(theta)), theta, **options)
    return chosen.asarray(warped, dtype=dtype)


def _checked(transformation: Any, name: str | None, **tensors: Any) -> Backend:
    """The backend of the tensors.

    Raises:
        OptionError: the transformation is none.
    """
    check_family(transformation)
    return registry.backend_for(name, **tensors)


def _whole(backend: Backend, values: Tensor, dtype: str, mode: str, fill: Any) -> Tensor:
    """Floats rounded, and within the range of a type of whole numbers, which a cast makes of them."""
    range_ = np.iinfo(dtype)
    if mode not in ("linear", "bilinear", "nearest") or np.any(fill):
        values = backend.where(values < range_.min, values * 0 + range_.min, values)
        values = backend.where(values > range_.max, values * 0 + range_.max, values)
    if range_.min == 0:
        return values + 0.5
    return floor(backend, values + 0.5)


def floor(backend: Backend, values: Tensor) -> Tensor:
    """The largest whole numbers that are not above values.

    Args:
        backend: the one of values.
        values: floats, smaller than 2^31.

    Returns:
        Floats of their type.
    """
    towards_zero = backend.asarray(backend.asarray(values, dtype="int32"), like=values)
    return backend.where(towards_zero > values, towards_zero - 1, towards_zero)


class SharedPlaces(Transformation):
    """Maps of one theta whose places are computed once for all images of one size: for an image and its masks.

    Args:
        family: of the theta.
    """

    spreads_nan = True
    n_params = 0

    def __init__(self, family: Transformation) -> None:
        self.family = family
        self.n_params = family.n_params
        self._places: dict[tuple[Any, ...], Tensor] = {}

    @property
    def config(self) -> dict[str, Any]:
        return {"family": self.family}

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        return self.family.domain

    def identity_theta(self) -> Array:
        return self.family.identity_theta()

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        return self.family.apply(backend, points, theta, time=time)

    def places(self, backend: Backend, theta: Tensor, grid: PixelGrid, *, time: float = 1.0) -> Tensor:
        if isinstance(grid, RunTimeGrid):
            return self.family.places(backend, theta, grid, time=time)
        key = (grid.size, grid.align_corners, backend.dtype(theta), time)
        if key not in self._places:
            self._places[key] = self.family.places(backend, theta, grid, time=time)
        return self._places[key]
