"""Landmarks and options of a fit, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import in_bytes
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import host_values

Array = NDArray[np.float64]

#: Bytes that the derivatives of all landmarks of an item may take.
_MOST_BYTES = 1 << 30
#: The covariance of so many vertices takes 70 MiB, and some five such matrices exist meanwhile.
_MOST_VERTICES = 3000
#: Cells along an axis, by the number of axes.
_CELLS = {1: 64, 2: 16, 3: 8}
#: Length scales that are tried: the longest in units of half the mean side of the domain, the factor from one to the
#: next, the shortest, and how many there are at least.
_LONGEST, _FACTOR, _SHORTEST, _LEAST = 1.2, 2**-0.5, 0.1, 3


def landmarks(source: Any, target: Any) -> tuple[Array, Array]:
    """(N, P, n) in float64, both.

    Raises:
        ShapeError, DtypeError: they are no landmarks.
        OptionError: they are not finite.
    """
    arrays = [host_values(name, value) for name, value in (("source", source), ("target", target))]
    for name, array in zip(("source", "target"), arrays, strict=True):
        if array.ndim not in (2, 3) or not 1 <= array.shape[-1] <= 3:
            raise ShapeError(
                f"{name} must be (P, n) or (N, P, n) with n = 1, 2 or 3",
                f"shape {array.shape}",
                "Put coordinates (x, y, z) last.",
            )
        _check_finite(name, array)
    source, target = (array.astype(np.float64) for array in arrays)
    if source.shape[-2:] != target.shape[-2:] or (source.ndim == target.ndim == 3 and len(source) != len(target)):
        raise ShapeError(
            "source and target must be as many landmarks of as many dimensions",
            f"shapes {source.shape} and {target.shape}",
            "Row p of both is one landmark; without N, they are shared by all items.",
        )
    n_items = max((len(array) for array in (source, target) if array.ndim == 3), default=1)
    if n_items and 0 in (len(array) for array in (source, target) if array.ndim == 3):
        n_items = 0
    shape = (n_items, *source.shape[-2:])
    n_points, n = shape[1:]
    if n_points < n + 1:
        raise ShapeError(
            f"a fit in {n}D needs at least {n + 1} landmarks",
            f"{n_points}",
            "Add some.",
        )
    return np.broadcast_to(source, shape), np.broadcast_to(target, shape)


def _check_finite(name: str, array: NDArray[Any]) -> None:
    bad = np.argwhere(~np.isfinite(array).all(axis=-1))
    if len(bad):
        *item, point = bad[0]
        where = f"landmark {point}" + (f" of item {item[0]}" if item else "")
        raise OptionError(
            f"{name} must be finite", f"{len(bad)} that are not, first {where}", "Leave them out, in source and target."
        )


def family(cells: Any, domain: Any, ndim: int) -> Cpab:
    """The family to fit, for landmarks of so many dimensions.

    Raises:
        OptionError, TessellationError: there is none, or it has another number of dimensions.
    """
    if isinstance(cells, Cpab):
        if domain is not None:
            raise OptionError("a family has its domain", shown(domain), "Pass domain to cpabx.Cpab alone.")
        cpab = cells
    else:
        chosen = (_CELLS[ndim],) * ndim if cells is None else cells
        box = (-1.0, 1.0) if domain is None else domain
        cpab = Cpab(chosen, boundary="free", outside="nearest", basis="nodal", domain=box)
    if cpab.ndim != ndim:
        raise OptionError(
            f"cells must have {ndim} axes, as landmarks have", f"{shown(cells)}", "Pass one number per coordinate."
        )
    if not cpab.n_params:
        raise OptionError("a fit needs a field that can move", "no parameters", "Pass more cells, or another boundary.")
    if cpab.tessellation.n_vertices > _MOST_VERTICES:
        raise OptionError(
            f"a fit has at most {_MOST_VERTICES} vertices, for a dense covariance",
            f"{cpab.tessellation.n_vertices}",
            "Pass fewer cells.",
        )
    return cpab


def check_size(cpab: Cpab, source: Array) -> None:
    """Raises OptionError if landmarks (N, P, n) are too many, or in other units than the domain."""
    size = 8 * source.shape[1] * cpab.ndim**2 * cpab.tessellation.n_vertices
    if size > _MOST_BYTES:
        raise OptionError(
            f"derivatives of landmarks may take {in_bytes(_MOST_BYTES)}",
            f"{source.shape[1]} landmarks and {cpab.n_params} parameters, {in_bytes(size)}",
            "Use fewer cells, or a part of the landmarks.",
        )
    lower, upper = cpab.tessellation.lower, cpab.tessellation.upper
    beyond = np.maximum(lower - source, source - upper) > (upper - lower) / 2
    if 2 * beyond.any(axis=-1).sum() > beyond[..., 0].size:
        raise OptionError(
            f"landmarks must be in units of the domain, {cpab.domain}",
            f"most of them far outside, as far as {np.abs(source).max():.4g}",
            "Pass domain=, or scale them: pixel i of m has its centre at (2 i + 1) / m - 1 in (-1, 1).",
        )


def length_scales(cpab: Cpab) -> list[float]:
    """That are tried, from the longest to about the size of a cell, in units of the domain."""
    sides = cpab.tessellation.upper - cpab.tessellation.lower
    unit = float(np.exp(np.log(sides).mean())) / 2
    cell = 2 / float(np.max(cpab.tessellation.cells))
    shortest, found = max(_SHORTEST, _LONGEST * cell), [_LONGEST]
    while (following := found[-1] * _FACTOR) >= shortest * (1 - 1e-9) or len(found) < _LEAST:
        found.append(following)
    return [unit * scale for scale in found]
