"""The pixels of an image as points of a domain."""

from __future__ import annotations

import dataclasses
import math
import operator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError
from cpabx.options import one_of
from cpabx.tracing import kept

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor

#: What coordinates are measured in, see :meth:`cpabx.Transformation.grid`; pixels are the voxels of the plane.
UNITS = ("domain", "unit", "voxels", "pixels")

#: Most numbers of what is kept for each pixel: 1 MiB. It pays for small grids, and large ones come in many sizes.
_SMALL = 1 << 17


@dataclass(frozen=True)
class PixelGrid:
    """The centres of the pixels of an image that covers a domain.

    Args:
        size: (L,), (H, W) or (D, H, W): the order of an array's axes, where that of a point is (x, y, z).
        align_corners: the outermost pixels' centres lie on the border of the domain, or else their outer
            edges do.
        domain: (lower, upper) per coordinate.
    """

    size: tuple[int, ...]
    align_corners: bool
    domain: tuple[tuple[float, float], ...]

    @property
    def n_points(self) -> int:
        return math.prod(self.size)

    @property
    def points(self) -> NDArray[np.float64]:
        """(P, n) positions, x fastest."""
        return _kept_points(self) if self._is_small else _points(self)

    @property
    def _is_small(self) -> bool:
        """Whether the positions are kept."""
        return len(self.size) * self.n_points <= _SMALL

    def tensor(self, backend: Backend, *, like: Tensor) -> Tensor:
        """(1, P, n) positions."""
        n = len(self.size)
        if self._is_small:
            return backend.reshape(backend.constant(self.points, like=like), (1, self.n_points, n))
        return self.affine(backend, backend.constant(_identity(n), like=like), n)  # exactly the same numbers

    def affine(self, backend: Backend, rows: Tensor, n_rows: int) -> Tensor:
        """(N, P, m) products of matrices (N, m, n + 1), flat (N, m * (n + 1)), with the homogeneous positions.

        Along x a matrix does the same in all rows of pixels, so what is kept for a large grid is as small as its axes.
        """
        n, length = len(self.size), self.size[-1]
        if n_rows * n_rows * (n + 1) * self.n_points <= _SMALL:  # one product, which is faster
            moved = backend.matmul(rows, backend.constant(_everywhere(self, n_rows), like=rows))
            return backend.reshape(moved, (-1, self.n_points, n_rows))
        along = backend.matmul(rows, backend.constant(_along_x(self, n_rows), like=rows))
        products = backend.matmul(
            backend.constant(_across(self), like=rows), backend.reshape(along, (-1, n, length * n_rows))
        )
        return backend.reshape(products, (-1, self.n_points, n_rows))

    @property
    def to_unit(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n,) centre and scale: (x - centre) * scale takes the domain to [-1, 1]^n."""
        return _to_unit(self.domain)

    def places(self, backend: Backend, points: Tensor) -> Tensor:
        """Points (N, P, n) of the domain, one for each pixel, as places in [-1, 1]^n: (N, *size, n)."""
        if any(interval != (-1.0, 1.0) for interval in self.domain):
            centre, scale = (backend.constant(values, like=points) for values in self.to_unit)
            points = (points - centre) * scale
        return backend.reshape(points, (-1, *self.size, len(self.size)))

    def in_units(self, backend: Backend, points: Tensor, units: str, *, displacement: bool) -> Tensor:
        """Points (N, P, n) of the domain, one for each pixel, or their way from it, in other units: (N, *size, n)."""
        if displacement:
            points = points - self.tensor(backend, like=points)
        if units != "domain":
            centre, scale, offset = (backend.constant(values, like=points) for values in _to_units(self, units))
            points = points * scale if displacement else (points - centre) * scale + offset
        return backend.reshape(points, (-1, *self.size, len(self.size)))

    def per_domain(self, units: str) -> NDArray[np.float64]:
        """(n,) how long a unit of the domain is in the units.

        Raises:
            OptionError: not at all, as one pixel of aligned corners has no width.
        """
        scale = np.ones(len(self.size)) if units == "domain" else _to_units(self, units)[1]
        if not scale.all():
            raise OptionError(
                "voxels must have a width", f"size {self.size} with aligned corners", "Use units='domain'."
            )
        return scale


@dataclass(frozen=True)
class RunTimeSize:
    """A number of pixels that is known when a graph runs, as a scalar of the framework's."""

    count: Tensor


@dataclass(frozen=True, eq=False)
class RunTimeGrid(PixelGrid):
    """A grid whose size, or a part of it, is known when a graph runs: its points are made in the graph."""

    size: tuple[Any, ...]

    def tensor(self, backend: Backend, *, like: Tensor) -> Tensor:
        """(1, P, n) positions."""
        axes = []
        for size, (low, high) in zip(reversed(self._counts), self.domain, strict=True):
            number = backend.count_up(size)  # in float64, as the grids of known sizes
            if self.align_corners:
                last = number[-1:]
                unit = backend.where(last > 0, number / backend.where(last > 0, last, last + 1), number * 0 + 0.5)
            else:
                unit = (number + 0.5) / (number[-1:] + 1)
            axes.append(low + unit * (high - low))
        spread = [axis[self._along(k)] for k, axis in enumerate(axes)]
        nothing = sum(axis * 0 for axis in spread)
        coordinates = [backend.reshape(axis + nothing, (-1, 1)) for axis in spread]
        return backend.asarray(backend.concat(coordinates, 1)[None], like=like)

    def places(self, backend: Backend, points: Tensor) -> Tensor:
        known = dataclasses.replace(self, size=self._counts)
        return super(RunTimeGrid, known).places(backend, points)

    @property
    def _counts(self) -> tuple[Any, ...]:
        return tuple(n.count if isinstance(n, RunTimeSize) else n for n in self.size)

    def _along(self, k: int) -> tuple[Any, ...]:
        """An index that puts coordinate k along its axis of pixels: x along the last."""
        n = len(self.domain)
        return tuple(slice(None) if axis == n - 1 - k else None for axis in range(n))


def pixel_grid(size: tuple[Any, ...], align_corners: bool, domain: tuple[tuple[float, float], ...]) -> PixelGrid:
    """The grid that all calls with these arguments share, so that what belongs to it can be kept.

    While a compiler traces, a size that is no :class:`RunTimeSize` becomes a fixed one.
    """
    for n in size:
        if isinstance(n, RunTimeSize):
            return RunTimeGrid(size, align_corners, domain)
    return _grid(tuple(map(operator.index, size)), align_corners, domain)


def checked_units(units: Any) -> str:
    """One of :data:`UNITS`.

    Raises:
        OptionError: it is something else.
    """
    return one_of("units", units, UNITS)


_grid = kept(32)(PixelGrid)


def _axes(grid: PixelGrid) -> list[NDArray[np.float64]]:
    """Positions along (x, (y, (z)))."""
    axes = []
    for size, (low, high) in zip(reversed(grid.size), grid.domain, strict=True):
        if grid.align_corners:
            unit = np.linspace(0, 1, size) if size > 1 else np.array([0.5])
        else:
            unit = (np.arange(size) + 0.5) / size
        axes.append(low + unit * (high - low))
    return axes


def _product(axes: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """(P, n) all combinations, the first axis fastest."""
    coordinates = np.meshgrid(*reversed(axes), indexing="ij")
    return np.stack(coordinates[::-1], axis=-1).reshape(-1, len(axes))


def _points(grid: PixelGrid) -> NDArray[np.float64]:
    return _frozen(_product(_axes(grid)))


_kept_points = kept(32)(_points)


@kept(32)
def _everywhere(grid: PixelGrid, n_rows: int) -> NDArray[np.float64]:
    """(m * (n + 1), P * m): what each entry of a matrix does to the products with all points."""
    n = len(grid.size)
    matrix = np.zeros((n_rows, n + 1, grid.n_points, n_rows))
    for row in range(n_rows):
        matrix[row, :n, :, row] = grid.points.T
        matrix[row, n, :, row] = 1
    return _frozen(matrix.reshape(n_rows * (n + 1), -1))


@kept(32)
def _along_x(grid: PixelGrid, n_rows: int) -> NDArray[np.float64]:
    """(m * (n + 1), n * X * m): what a matrix does to [x, 0, 0, 1], and to [0, 1, 0, 0] and [0, 0, 1, 0], at each x."""
    (x, *_), n = _axes(grid), len(grid.size)
    result = np.zeros((n_rows, n + 1, n, len(x), n_rows))
    for row in range(n_rows):
        result[row, 0, 0, :, row] = x
        result[row, n, 0, :, row] = 1
        for axis in range(1, n):
            result[row, axis, axis, :, row] = 1
    return _frozen(result.reshape(n_rows * (n + 1), -1))


@kept(32)
def _across(grid: PixelGrid) -> NDArray[np.float64]:
    """(1, P / X, n): [1, (y, (z))] of each row of pixels."""
    _, *others = _axes(grid)
    rows = _product(others) if others else np.zeros((1, 0))
    return _frozen(np.concatenate([np.ones((len(rows), 1)), rows], axis=1)[None])


@kept(3)
def _identity(n: int) -> NDArray[np.float64]:
    """(1, n * (n + 1)) the matrix of no change, flat."""
    return _frozen(np.eye(n, n + 1).reshape(1, -1))


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array.flags.writeable = False
    return array


@kept(32)
def _to_unit(domain: tuple[tuple[float, float], ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.array(domain).T
    return (low + high) / 2, 2 / (high - low)


@kept(32)
def _to_units(grid: PixelGrid, units: str) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(n,) centre, scale and offset: (x - centre) * scale + offset takes points of the domain to the units."""
    centre, scale = _to_unit(grid.domain)
    size = np.array(grid.size[::-1], np.float64)
    if units == "unit":
        return centre, scale, np.zeros_like(size)
    return centre, scale * (size - grid.align_corners) / 2, (size - 1) / 2
