"""The native transform and its vector-Jacobian product, for anything that has an address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx.native.library import load
from cpabx.native.status import raise_for_status
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
