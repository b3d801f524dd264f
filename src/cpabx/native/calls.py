"""The functions of libcpab, for anything that has an address.

All take a tessellation, ``"float32"`` or ``"float64"``, addresses of contiguous arrays in host memory, which
the caller keeps alive, and :class:`Sizes`. With n_batch fields of V vertices:

==================================== =============================
velocity, tangent_velocity           (n_batch, V, n)
points, tangent_points               (points_batch, n_points, n)
grad_out, and results per point      (n_batch, n_points, n)
grad_velocity                        (n_batch, V, n)
==================================== =============================

Images and what is sampled from them have the layout that :class:`cpabx.native.image.Image` tells.

The address 0 stands for a result that is not wanted, or for a tangent of zeros.

Raises, everywhere:
    RangeError: a field is too large; nothing is written.
    DivergenceError: a trajectory overflowed.
    KeyboardInterrupt: Ctrl-C on the main thread, or whatever another signal's handler raises there; within a
        moment, see :mod:`cpabx.native.interrupts`. Results are then unspecified.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, Unpack

from cpabx.native.interrupts import watch
from cpabx.native.library import Library, load
from cpabx.native.status import raise_for_status
from cpabx.native.threads import worthwhile

if TYPE_CHECKING:
    from cpabx.native.image import Image
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
    """Sizes of a call, and for how long to follow the flow."""

    time: float


class Taped(Flow):
    """Sizes and time of a call, and its tape, if there is one.

    tape: address and size of memory, see :func:`tape_bytes`, which the forward call writes and the backward call
    reads: it need not follow the flow again. Results are the same to the last bit. In between, fields and points
    must not change.
    """

    tape: NotRequired[tuple[int, int]]


_NO_TAPE = (0, 0)


def tape_bytes(tessellation: Tessellation, dtype: str, n_batch: int, n_points: int, *, beside: int = 0) -> int:
    """How large a tape should be; 0 where there is nothing to record.

    Enough for most fields, and at most 7 MiB together with the bytes that the backward call needs ``beside`` it. With
    less than enough a part is recorded.
    """
    number = 4 if dtype == "float32" else 8
    lib = load().lib
    enough = int(lib.cpab_tape_bytes(tessellation.handle, n_batch, n_points, number))
    return max(0, min(enough, int(lib.CPAB_MAX_TAPE) - beside))


def _watched() -> Library:
    """The library, whose calls signals may end."""
    library = load()
    watch(library)
    return library


def _call(
    name: str,
    tessellation: Tessellation,
    dtype: str,
    addresses: tuple[int, ...],
    sizes: Sizes | Flow,
    tape: tuple[int, int] | None = None,
) -> None:
    library = _watched()
    suffix, pointer = _SUFFIX[dtype]
    failed = library.ffi.new("int64_t *")
    time = (sizes["time"],) if "time" in sizes else ()  # type: ignore[typeddict-item]
    status = getattr(library.lib, f"{name}_{suffix}")(
        tessellation.handle,
        *(library.ffi.cast(pointer, address) for address in addresses),
        *_tape_of(library, tape),
        *(sizes["n_batch"], sizes["n_points"], sizes["points_batch"], *time),
        worthwhile(sizes.get("n_threads"), sizes["n_batch"] * sizes["n_points"]),
        failed,
    )
    raise_for_status(library, status, item=failed[0], time=time[0] if time else 1.0)


def _tape_of(library: Library, tape: tuple[int, int] | None) -> tuple[Any, ...]:
    return () if tape is None else (library.ffi.cast("void *", tape[0]), tape[1])


def transform(
    tessellation: Tessellation, dtype: str, *, velocity: int, points: int, out: int, **sizes: Unpack[Taped]
) -> None:
    """Points moved along the flow, to ``out``."""
    tape = sizes.get("tape", _NO_TAPE)
    _call("cpab_transform_taped", tessellation, dtype, (velocity, points, out), sizes, tape)


def transform_vjp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    grad_out: int,
    grad_velocity: int,
    grad_points: int,
    **sizes: Unpack[Taped],
) -> None:
    """The vector-Jacobian product: gradients of sum(grad_out * out).

    ``grad_points`` is (n_batch, n_points, n) also where the points are shared.
    """
    addresses = (velocity, points, grad_out, grad_velocity, grad_points)
    _call("cpab_transform_vjp_taped", tessellation, dtype, addresses, sizes, sizes.get("tape", _NO_TAPE))


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


def jacobian_vjp(
    tessellation: Tessellation,
    dtype: str,
    *,
    velocity: int,
    points: int,
    grad_jacobian: int,
    grad_log_det: int,
    grad_velocity: int,
    grad_points: int,
    **sizes: Unpack[Flow],
) -> None:
    """Gradients of sum(grad_jacobian * jacobian) + sum(grad_log_det * log_det) by the velocities and points.

    A cotangent at address 0 costs nothing. ``grad_points`` is (n_batch, n_points, n) also where the points are shared.
    """
    addresses = (velocity, points, grad_jacobian, grad_log_det, grad_velocity, grad_points)
    _call("cpab_jacobian_vjp", tessellation, dtype, addresses, sizes)


class Output(TypedDict):
    """How many fields there are, the size of the output in pixels along x, (y, (z)), and the time.

    tape: as in :class:`Taped`, where n_points is the number of pixels.
    """

    n_batch: int
    output_size: tuple[int, ...]
    time: float
    n_threads: NotRequired[int | None]
    tape: NotRequired[tuple[int, int]]


def _call_sample(name: str, image: Image, dtype: str, addresses: tuple[int, ...], sizes: Sizes) -> None:
    library = _watched()
    suffix, pointer = _SUFFIX[dtype]
    status = getattr(library.lib, f"{name}_{suffix}")(
        image.described(library),
        *(library.ffi.cast(pointer, address) for address in addresses),
        *(sizes["n_batch"], sizes["n_points"], sizes["points_batch"]),
        worthwhile(sizes.get("n_threads"), sizes["n_batch"] * sizes["n_points"]),
    )
    raise_for_status(library, status)


def _call_warp(
    name: str, tessellation: Tessellation, image: Image, dtype: str, addresses: tuple[int, ...], output: Output
) -> None:
    library = _watched()
    suffix, pointer = _SUFFIX[dtype]
    failed = library.ffi.new("int64_t *")
    status = getattr(library.lib, f"{name}_{suffix}")(
        tessellation.handle,
        image.described(library),
        *(library.ffi.cast(pointer, address) for address in addresses),
        *_tape_of(library, output.get("tape", _NO_TAPE)),
        library.ffi.new("int64_t[]", output["output_size"]),
        *(output["n_batch"], output["time"]),
        worthwhile(output.get("n_threads"), output["n_batch"] * math.prod(output["output_size"])),
        failed,
    )
    raise_for_status(library, status, item=failed[0], time=output["time"])


def sample(image: Image, dtype: str, *, data: int, points: int, out: int, **sizes: Unpack[Sizes]) -> None:
    """Images in [-1, 1]^n at points, to ``out`` (n_batch, channels, n_points), or channels last."""
    _call_sample("cpab_sample", image, dtype, (data, points, out), sizes)


def sample_vjp(
    image: Image,
    dtype: str,
    *,
    data: int,
    points: int,
    grad_out: int,
    grad_data: int,
    grad_points: int,
    **sizes: Unpack[Sizes],
) -> None:
    """Gradients of sum(grad_out * out) by the data and by the points.

    ``grad_points`` is (n_batch, n_points, n) also where the points are shared.
    """
    _call_sample("cpab_sample_vjp", image, dtype, (data, points, grad_out, grad_data, grad_points), sizes)


def warp(
    tessellation: Tessellation,
    image: Image,
    dtype: str,
    *,
    velocity: int,
    data: int,
    out: int,
    **output: Unpack[Output],
) -> None:
    """Images over the domain, at where the flow takes the pixels of the output; to ``out``."""
    _call_warp("cpab_warp_taped", tessellation, image, dtype, (velocity, data, out), output)


def warp_vjp(
    tessellation: Tessellation,
    image: Image,
    dtype: str,
    *,
    velocity: int,
    data: int,
    grad_out: int,
    grad_velocity: int,
    grad_data: int,
    **output: Unpack[Output],
) -> None:
    """Gradients of sum(grad_out * out) by the velocities and by the data."""
    addresses = (velocity, data, grad_out, grad_velocity, grad_data)
    _call_warp("cpab_warp_vjp_taped", tessellation, image, dtype, addresses, output)
