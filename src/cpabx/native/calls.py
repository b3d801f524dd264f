"""The functions of libcpab, for anything that has an address.

All take a tessellation, ``"float32"`` or ``"float64"``, addresses of contiguous arrays in host memory, which
the caller keeps alive, and :class:`Sizes`. With n_batch fields of V vertices:

==================================== =============================
velocity, tangent_velocity           (n_batch, V, n)
points, tangent_points               (points_batch, n_points, n)
grad_out, and results per point      (n_batch, n_points, n)
grad_velocity                        (n_batch, V, n)
==================================== =============================

The address 0 stands for a result that is not wanted, or for a tangent of zeros.

Raises, everywhere:
    RangeError: a field is too large; nothing is written.
    DivergenceError: a trajectory overflowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NotRequired, TypedDict, Unpack

from cpabx.native.library import load
from cpabx.native.status import raise_for_status
from cpabx.native.threads import worthwhile

if TYPE_CHECKING:
    from cpabx.tessellation import Tessellation

_SUFFIX = {"float32": ("f32", "float *"), "float64": ("f64", "double *")}


class Sizes(TypedDict):
    """How many fields and points there are.

    n_batch: number of fields. n_points: number of points per field. points_batch: n_batch, or 1 if all
    fields share the points. n_threads: default: the processors of this process, or ``CPABX_NUM_THREADS``.
    """

    n_batch: int
    n_points: int
    points_batch: int
    n_threads: NotRequired[int | None]


class Flow(Sizes):
    """The same, and for how long to follow the flow."""

    time: float


def _call(name: str, tessellation: Tessellation, dtype: str, addresses: tuple[int, ...], sizes: Sizes | Flow) -> None:
    library = load()
    suffix, pointer = _SUFFIX[dtype]
    failed = library.ffi.new("int64_t *")
    time = (sizes["time"],) if "time" in sizes else ()  # type: ignore[typeddict-item]
    status = getattr(library.lib, f"{name}_{suffix}")(
        tessellation.handle,
        *(library.ffi.cast(pointer, address) for address in addresses),
        *(sizes["n_batch"], sizes["n_points"], sizes["points_batch"], *time),
        worthwhile(sizes.get("n_threads"), sizes["n_batch"] * sizes["n_points"]),
        failed,
    )
    raise_for_status(library, status, item=failed[0], time=time[0] if time else 1.0)


def transform(
    tessellation: Tessellation, dtype: str, *, velocity: int, points: int, out: int, **sizes: Unpack[Flow]
) -> None:
    """Points moved along the flow, to ``out``."""
    _call("cpab_transform", tessellation, dtype, (velocity, points, out), sizes)


def transform_vjp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    grad_out: int,
    grad_velocity: int,
    grad_points: int,
    **sizes: Unpack[Flow],
) -> None:
    """The vector-Jacobian product: gradients of sum(grad_out * out).

    ``grad_points`` is (n_batch, n_points, n) also where the points are shared.
    """
    addresses = (velocity, points, grad_out, grad_velocity, grad_points)
    _call("cpab_transform_vjp", tessellation, dtype, addresses, sizes)


def transform_jvp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    tangent_velocity: int,
    tangent_points: int,
    out_tangent: int,
    **sizes: Unpack[Flow],
) -> None:
    """The Jacobian-vector product: the derivative of the result along a direction, to ``out_tangent``."""
    addresses = (velocity, points, tangent_velocity, tangent_points, out_tangent)
    _call("cpab_transform_jvp", tessellation, dtype, addresses, sizes)


def transform_vjp_jvp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    grad_out: int,
    tangent_velocity: int,
    tangent_points: int,
    grad_velocity: int,
    grad_points: int,
    **sizes: Unpack[Flow],
) -> None:
    """The derivatives of both gradients of :func:`transform_vjp` along a direction."""
    addresses = (velocity, points, grad_out, tangent_velocity, tangent_points, grad_velocity, grad_points)
    _call("cpab_transform_vjp_jvp", tessellation, dtype, addresses, sizes)


def velocity(
    tessellation: Tessellation, dtype: str, *, velocity: int, points: int, out: int, **sizes: Unpack[Sizes]
) -> None:
    """Velocities at points, to ``out``."""
    _call("cpab_velocity", tessellation, dtype, (velocity, points, out), sizes)


def jacobian(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    jacobian: int,
    log_det: int,
    **sizes: Unpack[Flow],
) -> None:
    """Derivatives of each result by its point, (n_batch, n_points, n, n), and log |det| of them."""
    _call("cpab_jacobian", tessellation, dtype, (velocity, points, jacobian, log_det), sizes)
