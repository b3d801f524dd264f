"""How far maps stretch a picture: measures, as registration reports them, and a penalty.

A diffeomorphism never folds, and may yet grow an area by any factor: between two pixels nothing is left to see, and on
the pixel grid neighbours may then change places.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.basis.geometry import barycentric
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import flag, positive
from cpabx.sampling.grid import pixel_grid
from cpabx.sampling.layout import layout_of_field
from cpabx.sampling.size import checked_size
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept
from cpabx.transforms import Composition, Cpab, Transformation
from cpabx.transforms.arguments import as_floats, host_values

Array = NDArray[np.float64]

__all__ = ["Stretch", "folding", "folding_on_grid", "stretch", "stretch_penalty"]


@dataclass(frozen=True, eq=False)
class Stretch:
    """The extremes of maps over the pixels of an image, one number for each map.

    Attributes:
        smallest_area: (N,) the smallest |det dT/dx|: by which factor areas shrink, lengths in 1D, volumes in 3D.
        largest_area: (N,) the largest, by which they grow.
        largest_stretch: (N,) the largest singular value of dT/dx in pixels: how many times longer a short line becomes
            whose direction is the worst.
        folding: (N,) as :func:`folding` has it.
    """

    smallest_area: Array
    largest_area: Array
    largest_stretch: Array
    folding: Array


def folding_on_grid(grid: Tensor) -> Array:
    """The share of pixels where a map that is given at pixels folds, as image registration publishes it.

    That is where the determinant of its Jacobian is not positive, by differences on the pixel grid: central ones, and
    one-sided ones at the border. Published as a percentage, it is 100 times this.

    Args:
        grid: (N, H, W, 2), in 1D (N, L, 1), in 3D (N, D, H, W, 3): where pixels go, as
            :meth:`cpabx.Transformation.grid` has it, in whatever units, with coordinates in the order (x, y, z). Of a
            field of displacements, add the places of pixels first.

    Returns:
        (N,) shares from 0 to 1 in float64, on the host; NaN where the grid is not finite.

    Raises:
        ShapeError: it is no grid, or has fewer than two pixels along an axis.
        DtypeError: no numbers that can be read.
    """
    values = host_values("grid", grid)
    ndim = values.shape[-1] if values.ndim in (3, 4, 5) else 0
    if ndim != values.ndim - 2 or min(values.shape[1:-1]) < 2:
        raise ShapeError(
            f"grid must be {layout_of_field(2)}, or likewise in 1D and 3D, with two pixels along each axis at least",
            f"shape {values.shape}",
            "Coordinates (x, y, z) are the last axis.",
        )
    shares = np.empty(len(values))
    for item, places in enumerate(values.astype(np.float64)):
        along = np.gradient(places, axis=tuple(range(ndim))[::-1]) if ndim > 1 else [np.gradient(places, axis=0)]
        with np.errstate(invalid="ignore"):  # not finite: NaN below
            determinants = np.linalg.det(np.stack(along, axis=-1))  # coordinate by direction (x, y, z)
        shares[item] = (determinants <= 0).mean() if np.isfinite(places).all() else np.nan
    return shares


def folding(
    transformation: Transformation,
    theta: Tensor,
    size: tuple[int, ...],
    *,
    inverse: bool = False,
    align_corners: bool = False,
) -> Array:
    """The share of pixels where a map folds on the pixel grid, see :func:`folding_on_grid`.

    A diffeomorphism does so where it stretches more than the grid can show.

    Args:
        transformation: the family.
        theta: (N, d).
        size: (height, width), (length,) or (depth, height, width) of an image that covers the domain, 2 at least.
        inverse: of the inverse map.
        align_corners: where pixels are, as in :meth:`cpabx.Transformation.warp`.

    Returns:
        (N,) shares from 0 to 1 in float64, on the host; NaN where theta is not finite.

    Raises:
        OptionError: no family, or an impossible size.
        UnsupportedError: an inverse that the family has not.
        ShapeError, DtypeError, BackendMismatchError: as in :meth:`cpabx.Transformation.grid`.
    """
    _check_family(transformation)
    return folding_on_grid(transformation.grid(theta, size, inverse=inverse, align_corners=align_corners))


def stretch(
    transformation: Transformation,
    theta: Tensor,
    size: tuple[int, ...],
    *,
    inverse: bool = False,
    align_corners: bool = False,
) -> Stretch:
    """How far maps stretch an image, over its pixels.

    Arguments and errors as in :func:`folding`.

    Args:
        transformation: the family.
        theta: (N, d).
        size: of an image that covers the domain.
        inverse: of the inverse map.
        align_corners: where pixels are.

    Returns:
        Its extremes, on the host. What lies between the pixels may be stretched more.
    """
    _check_family(transformation)
    size, time = checked_size(size, transformation.ndim, "size"), -1.0 if flag("inverse", inverse) else 1.0
    grid = pixel_grid(size, flag("align_corners", align_corners), transformation.domain)
    backend = registry.backend_for(theta=theta)
    (theta,) = as_floats(backend, theta=theta)
    log_det = transformation.log_det_jacobian(grid.tensor(backend, like=theta), theta, time=time)
    jacobian = transformation.jacobian(grid.tensor(backend, like=theta), theta, time=time)
    per_domain = grid.per_domain("voxels") if min(size) > 1 else np.ones(len(size))
    matrices = host_values("jacobian", jacobian).astype(np.float64) * (per_domain[:, None] / per_domain)
    with np.errstate(over="ignore"):
        areas = np.exp(host_values("log_det", log_det).astype(np.float64))
    finite = np.isfinite(matrices).all(axis=(1, 2, 3))
    longest = np.full(len(matrices), np.nan)
    longest[finite] = np.linalg.norm(matrices[finite], ord=2, axis=(-2, -1)).max(axis=-1)
    folds = folding(transformation, theta, size, inverse=inverse, align_corners=align_corners)
    return Stretch(areas.min(axis=-1), areas.max(axis=-1), longest, folds)


def stretch_penalty(
    transformation: Transformation,
    theta: Tensor,
    size: tuple[int, ...],
    *,
    weight: float = 1e-3,
    gradient: float = 1.0,
) -> Tensor:
    """What to add to a loss so that maps stretch an image no further than they must.

    weight * (mean of (log |det dT/dx|)^2 over the pixels + gradient * mean of |dv/dx|^2 over the domain). The first
    makes areas count that grow and those that shrink alike, and leaves what moves along freely; the second is
    quadratic in theta, and holds velocity fields where no pixel sees them. The default weight suits a loss such as the
    mean squared error of images with values in [0, 1]: raise it where areas still grow too far, in proportion to the
    loss.

    Args:
        transformation: the family. What is no :class:`Cpab`, or a part of a composition that is none, has no field for
            the second term.
        theta: (N, d).
        size: (height, width), (length,) or (depth, height, width) of a grid of pixels that covers the domain. A coarse
            one does, of two or three pixels for each cell along an axis.
        weight: of all of it, 0 or more.
        gradient: of the second term in it, 0 or more. dv/dx is in units of the domain's sides, |.| Frobenius' norm.

    Returns:
        (N,) in theta's framework, differentiable with respect to it.

    Raises:
        OptionError: no family, an impossible size, or weights that are negative or not finite.
        ShapeError, DtypeError, BackendMismatchError, RangeError, DivergenceError: as in
            :meth:`cpabx.Cpab.transform`.
    """
    _check_family(transformation)
    weight = positive("weight", weight, or_zero=True, remedy="0 leaves the term out.")
    gradient = positive("gradient", gradient, or_zero=True, remedy="0 leaves the term out.")
    grid = pixel_grid(checked_size(size, transformation.ndim, "size"), False, transformation.domain)
    backend = registry.backend_for(theta=theta)
    (theta,) = as_floats(backend, theta=theta)
    log_det = transformation.log_det_jacobian(grid.tensor(backend, like=theta), theta)
    penalty = backend.sum(log_det * log_det, axis=-1) * (weight / grid.n_points)
    if gradient:
        for part, own in _fields(transformation, transformation.flat_theta(backend, theta)):
            penalty = penalty + _squared_gradient(backend, part, own) * (weight * gradient)
    return penalty


def _fields(transformation: Transformation, theta: Tensor) -> Iterator[tuple[Cpab, Tensor]]:
    """The parts that have a velocity field on a tessellation, with their parameters."""
    parts = transformation._split(theta) if isinstance(transformation, Composition) else [(transformation, theta)]
    for part, own in parts:
        if isinstance(part, Cpab):
            yield part, own


def _squared_gradient(backend: Backend, family: Cpab, theta: Tensor) -> Tensor:
    """(N,): the mean of |dv/dx|^2 over the domain, in units of its sides, exactly."""
    tess, n = family.tessellation, family.ndim
    slopes, sides = _slopes(tess.cells), 1 / (tess.upper - tess.lower)
    velocity = family.velocity(theta) * backend.constant(_frozen(sides), like=theta)
    corners = backend.take(velocity, _corners(tess.cells), axis=1)
    by_cell = backend.matrix_transpose(backend.reshape(corners, (-1, tess.n_cells, n + 1, n)))
    matrices = backend.matmul(by_cell, backend.constant(slopes, like=theta))
    return backend.sum(backend.reshape(matrices * matrices, (-1, tess.n_cells * n * n)), axis=-1)


@kept(16)
def _slopes(cells: tuple[int, ...]) -> Array:
    """(C, n + 1, n) slopes of barycentric coordinates over a unit box, times the root of the cell's share of it."""
    tess = Tessellation(cells, domain=(0.0, 1.0))
    corners = tess.vertices[tess.cell_vertices]
    shares = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / math.factorial(tess.ndim)
    return _frozen(barycentric(tess)[:, :, : tess.ndim] * np.sqrt(shares)[:, None, None])


@kept(16)
def _corners(cells: tuple[int, ...]) -> NDArray[np.int64]:
    """(C * (n + 1),) vertices of the cells."""
    return _frozen(Tessellation(cells).cell_vertices.reshape(-1).astype(np.int64))


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array


def _check_family(transformation: Any) -> None:
    if not isinstance(transformation, Transformation):
        raise OptionError(
            "transformation must be a family of maps", shown(transformation), "For instance cpabx.Cpab((4, 4))."
        )
