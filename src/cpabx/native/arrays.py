"""The functions of libcpab on numpy arrays, which backends on host memory can share.

Points are (1 or N, P, n), velocities at vertices (N, V, n), and all arrays of one float type. Errors as in
:mod:`cpabx.native.calls`. ``n_threads`` is the only option.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx.native import calls

if TYPE_CHECKING:
    from cpabx.native.image import Image
    from cpabx.tessellation import Tessellation

Array = np.ndarray[Any, Any]


def _call(
    function: Callable[..., None],
    tessellation: Tessellation,
    inputs: dict[str, Array | None],
    outputs: dict[str, tuple[int, ...]],
    options: dict[str, Any],
) -> tuple[Array, ...]:
    """Calls with the inputs, made contiguous, and with new arrays for the outputs."""
    given = {name: None if array is None else np.ascontiguousarray(array) for name, array in inputs.items()}
    points, velocity = given["points"], given["velocity"]
    assert points is not None
    assert velocity is not None
    results = {name: np.empty(shape, points.dtype) for name, shape in outputs.items()}
    function(
        tessellation,
        str(points.dtype),
        **_addresses(**given, **results),
        n_batch=len(velocity),
        n_points=points.shape[1],
        points_batch=len(points),
        **options,
    )
    return tuple(results.values())


def _cloud(points: Array, velocity: Array) -> tuple[int, ...]:
    return (len(velocity), *points.shape[1:])


def transform(points: Array, velocity: Array, tessellation: Tessellation, time: float, **options: Any) -> Array:
    """(N, P, n) points moved along the flow."""
    inputs: dict[str, Array | None] = {"points": points, "velocity": velocity}
    outputs = {"out": _cloud(points, velocity)}
    return _call(calls.transform, tessellation, inputs, outputs, {"time": time, **options})[0]


def transform_vjp(
    points: Array, velocity: Array, grad_out: Array, tessellation: Tessellation, time: float, **options: Any
) -> tuple[Array, Array]:
    """Gradients of points (1 or N, P, n), added up where they are shared, and of velocities (N, V, n)."""
    inputs: dict[str, Array | None] = {"points": points, "velocity": velocity, "grad_out": grad_out}
    return _gradients(calls.transform_vjp, tessellation, inputs, {"time": time, **options})


def transform_jvp(
    points: Array,
    velocity: Array,
    tangent_points: Array | None,
    tangent_velocity: Array | None,
    tessellation: Tessellation,
    time: float,
    **options: Any,
) -> Array:
    """(N, P, n) derivative of the result along a direction, of which a part may be None: zeros."""
    tangents = {"tangent_points": tangent_points, "tangent_velocity": tangent_velocity}
    inputs = {"points": points, "velocity": velocity, **tangents}
    outputs = {"out_tangent": _cloud(points, velocity)}
    return _call(calls.transform_jvp, tessellation, inputs, outputs, {"time": time, **options})[0]


def transform_vjp_jvp(
    points: Array,
    velocity: Array,
    grad_out: Array,
    tangent_points: Array | None,
    tangent_velocity: Array | None,
    tessellation: Tessellation,
    time: float,
    **options: Any,
) -> tuple[Array, Array]:
    """Derivatives of both gradients of :func:`transform_vjp` along a direction, in their shapes."""
    tangents = {"tangent_points": tangent_points, "tangent_velocity": tangent_velocity}
    inputs = {"points": points, "velocity": velocity, "grad_out": grad_out, **tangents}
    return _gradients(calls.transform_vjp_jvp, tessellation, inputs, {"time": time, **options})


def velocity(points: Array, velocity: Array, tessellation: Tessellation, **options: Any) -> Array:
    """(N, P, n) velocities at points."""
    inputs: dict[str, Array | None] = {"points": points, "velocity": velocity}
    return _call(calls.velocity, tessellation, inputs, {"out": _cloud(points, velocity)}, options)[0]


def velocity_vjp(
    points: Array, velocity: Array, grad_out: Array, tessellation: Tessellation, **options: Any
) -> tuple[Array, Array]:
    """Gradients of sum(grad_out * v(points)), as :func:`transform_vjp` gives them.

    Near the field of zeros phi(x; e v) = x + e v(x). So the gradient of the velocities is that of a
    transformation by zeros, and that of the points what changes there in the direction v.
    """
    zeros = np.zeros_like(velocity)
    _, grad_velocity = transform_vjp(points, zeros, grad_out, tessellation, 1.0, **options)
    grad_points, _ = transform_vjp_jvp(points, zeros, grad_out, None, velocity, tessellation, 1.0, **options)
    return grad_points, grad_velocity


def jacobian(
    points: Array, velocity: Array, tessellation: Tessellation, time: float, **options: Any
) -> tuple[Array, Array]:
    """(N, P, n, n) derivatives of each result by its point, and (N, P) log |det| of them."""
    inputs: dict[str, Array | None] = {"points": points, "velocity": velocity}
    n, p, ndim = _cloud(points, velocity)
    outputs = {"jacobian": (n, p, ndim, ndim), "log_det": (n, p)}
    matrices, log_det = _call(calls.jacobian, tessellation, inputs, outputs, {"time": time, **options})
    return matrices, log_det


def jacobian_vjp(
    points: Array,
    velocity: Array,
    grad_jacobian: Array | None,
    tessellation: Tessellation,
    time: float,
    *,
    grad_log_det: Array | None = None,
    **options: Any,
) -> tuple[Array, Array]:
    """Gradients of sum(grad_jacobian * jacobian) + sum(grad_log_det * log_det), as :func:`transform_vjp` gives them.

    Neither is computed with an inverse. A cotangent of zeros, or None, costs nothing: frameworks pass zeros for a
    result that nobody used.
    """
    cotangents = {"grad_jacobian": grad_jacobian, "grad_log_det": grad_log_det}
    wanted = {name: grad if grad is not None and grad.any() else None for name, grad in cotangents.items()}
    inputs = {"points": points, "velocity": velocity, **wanted}
    return _gradients(calls.jacobian_vjp, tessellation, inputs, {"time": time, **options})


def _gradients(
    function: Callable[..., None], tessellation: Tessellation, inputs: dict[str, Array | None], options: dict[str, Any]
) -> tuple[Array, Array]:
    points, velocity = inputs["points"], inputs["velocity"]
    assert points is not None
    assert velocity is not None
    outputs = {"grad_points": _cloud(points, velocity), "grad_velocity": velocity.shape}
    grad_points, grad_velocity = _call(function, tessellation, inputs, outputs, options)
    shared = len(points) != len(velocity)
    return grad_points.sum(0, keepdims=True) if shared else grad_points, grad_velocity


def sample(data: Array, points: Array, image: Image, **options: Any) -> Array:
    """Images at points (1 or N, P, n): (N, channels, P), or (N, P, channels) if channels are last."""
    data, points = np.ascontiguousarray(data), np.ascontiguousarray(points)
    out = np.empty(image.results_shape(len(data), points.shape[1:2]), data.dtype)
    calls.sample(
        image, str(data.dtype), **_addresses(data=data, points=points, out=out), **_sizes(data, points), **options
    )
    return out


def sample_vjp(
    data: Array,
    points: Array,
    grad_out: Array,
    image: Image,
    *,
    need_data: bool = True,
    need_points: bool = True,
    **options: Any,
) -> tuple[Array | None, Array | None]:
    """Gradients of sum(grad_out * out) by the data and by points (1 or N, P, n), added up where they are shared."""
    data, points, grad_out = map(np.ascontiguousarray, (data, points, grad_out))
    grad_data = np.empty_like(data) if need_data else None
    grad_points = np.empty((len(data), *points.shape[1:]), data.dtype) if need_points else None
    given = {"data": data, "points": points, "grad_out": grad_out}
    calls.sample_vjp(
        image,
        str(data.dtype),
        **_addresses(**given, grad_data=grad_data, grad_points=grad_points),
        **_sizes(data, points),
        **options,
    )
    if grad_points is not None and len(points) != len(data):
        grad_points = grad_points.sum(0, keepdims=True)
    return grad_data, grad_points


def warp(
    data: Array,
    velocity: Array,
    tessellation: Tessellation,
    image: Image,
    output_size: tuple[int, ...],
    time: float,
    **options: Any,
) -> Array:
    """Images moved by the flows of velocities (N, V, n), in an output of size x, (y, (z))."""
    data, velocity = np.ascontiguousarray(data), np.ascontiguousarray(velocity)
    out = np.empty(image.results_shape(len(data), output_size), data.dtype)
    addresses = _addresses(data=data, velocity=velocity, out=out)
    output: dict[str, Any] = {"n_batch": len(data), "output_size": output_size, "time": time}
    calls.warp(tessellation, image, str(data.dtype), **addresses, **output, **options)
    return out


def warp_vjp(
    data: Array,
    velocity: Array,
    grad_out: Array,
    tessellation: Tessellation,
    image: Image,
    output_size: tuple[int, ...],
    time: float,
    *,
    need_data: bool = True,
    need_velocity: bool = True,
    **options: Any,
) -> tuple[Array | None, Array | None]:
    """Gradients of sum(grad_out * out) by the data and by the velocities."""
    data, velocity, grad_out = map(np.ascontiguousarray, (data, velocity, grad_out))
    grad_data = np.empty_like(data) if need_data else None
    grad_velocity = np.empty_like(velocity) if need_velocity else None
    given = {"data": data, "velocity": velocity, "grad_out": grad_out}
    addresses = _addresses(**given, grad_data=grad_data, grad_velocity=grad_velocity)
    output: dict[str, Any] = {"n_batch": len(data), "output_size": output_size, "time": time}
    calls.warp_vjp(tessellation, image, str(data.dtype), **addresses, **output, **options)
    return grad_data, grad_velocity


def _addresses(**arrays: Array | None) -> dict[str, Any]:
    return {name: 0 if array is None else array.ctypes.data for name, array in arrays.items()}


def _sizes(data: Array, points: Array) -> dict[str, Any]:
    return {"n_batch": len(data), "n_points": points.shape[1], "points_batch": len(points)}
