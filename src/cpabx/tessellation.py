"""The tessellation: where a velocity field may bend."""

from __future__ import annotations

import functools
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError, TessellationError, shown
from cpabx.native.library import Library, load
from cpabx.native.status import raise_for_status
from cpabx.options import one_of, whole_number

OUTSIDE = ("linear", "nearest")

Interval = tuple[float, float]


class Tessellation:
    """A box split into simplices: in 2D, nx * ny rectangles of 4 triangles each.

    Immutable. Equal arguments share one native handle, and copies and pickles are cheap.

    Args:
        cells: numbers of rectangles (nx, ny) or boxes (nx, ny, nz); one number for 1D.
        domain: (lower, upper) for all axes, or one pair per axis.
        outside: how a field continues beyond the box, see :class:`cpabx.Cpab`.

    Raises:
        TessellationError: cells below 1 or too many, an empty or infinite domain, or more than three
            dimensions.
        OptionError: unknown ``outside``.
    """

    def __init__(
        self,
        cells: Sequence[int] | int,
        *,
        domain: Interval | Sequence[Interval] = (-1.0, 1.0),
        outside: str = "linear",
    ) -> None:
        self.cells = _checked_cells(cells)
        #: The number of coordinates of a point.
        self.ndim = len(self.cells)
        self.domain = _checked_domain(domain, len(self.cells))
        self.outside = one_of("outside", outside, OUTSIDE)
        #: The native ``cpab_tessellation *`` of libcpab.
        self.handle = _create(load(), self.cells, self.domain, OUTSIDE.index(outside))
        self._elsewhere: dict[Any, Any] = {}
        sizes = _sizes(self.handle)
        self.n_vertices = int(sizes.n_vertices)
        #: Number of simplices.
        self.n_cells = int(sizes.n_cells)

    def handle_in(self, library: Library) -> Any:
        """The native object of another library than libcpab, made when it is first asked for.

        Args:
            library: from :func:`cpabx.native.load_cuda`, for instance.

        Returns:
            Its ``cpab_tessellation *``, which lives as long as this object.

        Raises:
            OptionError: it is no library of ours.
        """
        if not isinstance(library, Library):
            raise OptionError(
                "library must be one that cpabx.native has loaded", shown(library), "Pass cpabx.native.load_cuda()."
            )
        handle = self._elsewhere.get(library.path)
        if handle is None:
            handle = _create(library, self.cells, self.domain, OUTSIDE.index(self.outside))
            self._elsewhere[library.path] = handle
        return handle

    @property
    def nbytes(self) -> int:
        """Memory of the native object, about: what libcpab has for each simplex."""
        slots = self.ndim + 1
        return self.n_cells * (8 * slots + 8 * slots * slots + 8 * slots * self.ndim + 8)

    @functools.cached_property
    def lower(self) -> NDArray[np.float64]:
        return np.array([low for low, _ in self.domain])

    @functools.cached_property
    def upper(self) -> NDArray[np.float64]:
        return np.array([high for _, high in self.domain])

    @functools.cached_property
    def vertices(self) -> NDArray[np.float64]:
        """(V, n) coordinates: grid corners, x fastest, then (2D) the centres, x fastest."""
        return self._read(0, np.float64, (self.n_vertices, self.ndim), "double *")

    @functools.cached_property
    def cell_vertices(self) -> NDArray[np.int64]:
        """(C, n + 1) vertices of every simplex. In 2D cell 4 (i + nx j) + k is the triangle of
        rectangle (i, j) at its low-y, high-x, high-y or low-x side, k = 0 to 3. In 3D cells
        5 (i + nx (j + ny k)) + m are the tetrahedra of box (i, j, k): m = 0 in its middle, the others each
        cut off one of its corners.
        """
        return self._read(1, np.int64, (self.n_cells, self.ndim + 1), "int64_t *")

    def _read(self, which: int, dtype: Any, shape: tuple[int, ...], pointer: str) -> NDArray[Any]:
        """One of the arrays that ``cpab_tessellation_geometry`` writes."""
        library = load()
        values = np.empty(shape, dtype)
        arrays = [library.ffi.NULL, library.ffi.NULL]
        arrays[which] = library.ffi.cast(pointer, values.ctypes.data)
        raise_for_status(library, library.lib.cpab_tessellation_geometry(self.handle, *arrays))
        values.flags.writeable = False
        return values

    def _key(self) -> tuple[Any, ...]:
        return (self.cells, self.domain, self.outside)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tessellation) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __reduce__(self) -> tuple[Any, ...]:
        make = functools.partial(Tessellation, domain=self.domain, outside=self.outside)
        return (make, (self.cells,))

    def __deepcopy__(self, memo: object) -> Tessellation:
        return self

    def __repr__(self) -> str:
        return f"Tessellation({self.cells}, domain={self.domain}, outside={self.outside!r})"

    def _repr_html_(self) -> str | None:
        """What notebooks show."""
        from cpabx import notebook

        return notebook.html(self)


def _sizes(handle: Any) -> Any:
    """How large a native tessellation is, as a ``cpab_tessellation_sizes *``."""
    library = load()
    sizes = library.ffi.new("cpab_tessellation_sizes *")
    sizes.struct_size = library.ffi.sizeof("cpab_tessellation_sizes")
    raise_for_status(library, library.lib.cpab_tessellation_describe(handle, sizes))
    return sizes


_living: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


def _create(library: Library, cells: tuple[int, ...], domain: tuple[Interval, ...], outside: int) -> Any:
    """The native tessellation of a library, which all objects of equal arguments share."""
    key = (library.path, cells, domain, outside)
    if (found := _living.get(key)) is not None:
        return found
    options = library.ffi.new("cpab_tessellation_options *")
    options.struct_size = library.ffi.sizeof("cpab_tessellation_options")
    options.ndim = len(cells)
    options.outside = outside
    for d, (n, (low, high)) in enumerate(zip(cells, domain, strict=True)):
        options.cells[d], options.lower[d], options.upper[d] = n, low, high
    out = library.ffi.new("cpab_tessellation **")
    raise_for_status(library, library.lib.cpab_tessellation_create(options, out))
    return _living.setdefault(key, library.ffi.gc(out[0], library.lib.cpab_tessellation_destroy))


def _checked_cells(cells: Any) -> tuple[int, ...]:
    given = cells if isinstance(cells, Sequence) or (isinstance(cells, np.ndarray) and cells.ndim) else (cells,)
    values = tuple(n for n in map(whole_number, given) if n is not None)
    if isinstance(cells, (str, bytes)) or not values or len(values) < len(given):
        raise TessellationError("cells must be whole numbers such as (4, 4)", shown(cells), "Pass (nx, ny).")
    if len(values) > 3:
        raise TessellationError(
            "cells are intervals, rectangles or boxes: 1D, 2D or 3D",
            f"cells={shown(values)} for {len(values)} dimensions",
            "Pass one to three numbers.",
        )
    most = 4_194_304 // (1, 4, 5)[len(values) - 1]
    if min(values) < 1 or math.prod(values) > most:
        raise TessellationError(
            f"cells must be at least 1 along each axis and at most {most} in all",
            f"cells={shown(values)}",
            "Choose other numbers.",
        )
    return values


def _checked_domain(domain: Any, ndim: int) -> tuple[Interval, ...]:
    try:
        given = np.asarray(domain)
        bounds = given.astype(np.float64) if given.dtype.kind in "iuf" else np.full(1, np.nan)
        if bounds.shape == (2,):
            bounds = np.tile(bounds, (ndim, 1))
        if bounds.shape != (ndim, 2) or not np.isfinite(bounds).all() or not (bounds[:, 0] < bounds[:, 1]).all():
            raise ValueError
    except Exception:  # of any kind, from what numpy cannot read
        raise TessellationError(
            f"domain must be (lower, upper), or {ndim} such pairs, finite and with lower < upper",
            shown(domain),
            "For instance domain=(-1, 1).",
        ) from None
    return tuple((float(low), float(high)) for low, high in bounds)
