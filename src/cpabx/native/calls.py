"""The native transform and its vector-Jacobian product, for anything that has an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx.errors import (
    CpabxError,
    DivergenceError,
    NativeMemoryError,
    OptionError,
    RangeError,
    ShapeError,
    TessellationError,
)
from cpabx.native.library import Library, load
from cpabx.native.threads import worthwhile

if TYPE_CHECKING:
    from cpabx.tessellation import Tessellation

_SUFFIX = {"float32": ("f32", "float *"), "float64": ("f64", "double *")}


def transform(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    out: int,
    n_batch: int,
    n_points: int,
    points_batch: int,
    time: float,
    n_threads: int | None = None,
) -> None:
    """Call ``cpab_transform_*`` on host memory.

    Args:
        tessellation: of the field.
        dtype: ``"float32"`` or ``"float64"``.
        velocity: address of a contiguous array (n_batch, V, n); the caller keeps it alive.
        points: address of (points_batch, n_points, n).
        out: address of (n_batch, n_points, n), which is written.
        n_batch: number of fields.
        n_points: number of points per field.
        points_batch: n_batch, or 1 if all fields share the points.
        time: how long to follow the flow.
        n_threads: default: the processors of this process, or ``CPABX_NUM_THREADS``.

    Raises:
        RangeError: a field is too large; nothing is written.
        DivergenceError: a trajectory overflowed.
    """
    library = load()
    suffix, pointer = _SUFFIX[dtype]
    failed = library.ffi.new("int64_t *")
    status = getattr(library.lib, f"cpab_transform_{suffix}")(
        tessellation.handle,
        *(library.ffi.cast(pointer, address) for address in (velocity, points, out)),
        *(n_batch, n_points, points_batch, time),
        worthwhile(n_threads, n_batch * n_points),
        failed,
    )
    raise_for_status(library, status, item=failed[0], time=time)


def transform_vjp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    grad_out: int,
    grad_velocity: int,
    grad_points: int,
    n_batch: int,
    n_points: int,
    points_batch: int,
    time: float,
    n_threads: int | None = None,
) -> None:
    """Call ``cpab_transform_vjp_*`` on host memory; arguments and errors as in :func:`transform`.

    ``grad_out`` is the address of (n_batch, n_points, n). ``grad_velocity`` (n_batch, V, n) and
    ``grad_points`` (n_batch, n_points, n), per batch item also for shared points, are written, or 0 if
    not wanted.
    """
    library = load()
    suffix, pointer = _SUFFIX[dtype]
    failed = library.ffi.new("int64_t *")
    addresses = (velocity, points, grad_out, grad_velocity, grad_points)
    status = getattr(library.lib, f"cpab_transform_vjp_{suffix}")(
        tessellation.handle,
        *(library.ffi.cast(pointer, address) for address in addresses),
        *(n_batch, n_points, points_batch, time),
        worthwhile(n_threads, n_batch * n_points),
        failed,
    )
    raise_for_status(library, status, item=failed[0], time=time)


def raise_for_status(library: Library, status: int, *, item: int = -1, time: float = 1.0) -> None:
    """The exception that belongs to a status code, if it is an error."""
    lib = library.lib
    if status == lib.CPAB_OK:
        return
    text = library.ffi.string(lib.cpab_status_text(status)).decode()
    if status == lib.CPAB_E_RANGE:
        raise RangeError(
            f"|time| * |A| must be at most {lib.CPAB_MAX_RATE} for every velocity field",
            f"a larger one at batch item {item} (time {time:g})",
            "Make theta or the time smaller; a learning rate that is too large gets here.",
        )
    if status == lib.CPAB_E_DIVERGED:
        raise DivergenceError(
            "trajectories must stay in the range of the number type",
            f"one that does not at batch item {item} (time {time:g})",
            "Make theta or the time smaller, use outside='nearest', or a boundary that is not free.",
        )
    if status == lib.CPAB_E_TIME:
        raise OptionError("time must be finite", repr(time), "Pass a number; -1 is the inverse.")
    if status == lib.CPAB_E_MEMORY:
        raise NativeMemoryError("memory for the call", text, "Free some, or use fewer threads or cells.")
    if status in (lib.CPAB_E_NDIM, lib.CPAB_E_CELLS, lib.CPAB_E_DOMAIN):
        raise TessellationError("a tessellation that libcpab can make", text, "Choose other cells or another domain.")
    if status == lib.CPAB_E_SHAPE:
        raise ShapeError("sizes that fit together", text, "Check the shapes of points and theta.")
    raise CpabxError("a valid call to libcpab", text, "This is a bug of cpabx or of the backend: please report it.")
