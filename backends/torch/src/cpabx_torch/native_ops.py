"""The functions of libcpab that move points, by themselves, and as operators that torch knows.

Points are (1 or N, P, n), velocities at vertices (N, V, n). The options that follow the tensors are the
tessellation's, and the time. Gradients are in :mod:`cpabx_torch.ops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx import native
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept
from cpabx_torch.operators import operator


def options_of(tessellation: Tessellation) -> tuple[tuple[int, ...], list[float], str]:
    """A tessellation as types that an operator may take."""
    return tessellation.cells, [bound for pair in tessellation.domain for bound in pair], tessellation.outside


def tessellation_of(cells: Sequence[int], domain: Sequence[float], outside: str) -> Tessellation:
    """The tessellation whose cells, domain and extension were made plain for an operator."""
    return _tessellation(tuple(cells), tuple(domain), outside)


@kept(64)
def _tessellation(cells: tuple[int, ...], domain: tuple[float, ...], outside: str) -> Tessellation:
    return Tessellation(cells, domain=list(zip(domain[::2], domain[1::2], strict=True)), outside=outside)


def dtype_of(tensor: Tensor) -> str:
    """The name of its type."""
    return str(tensor.dtype).removeprefix("torch.")


def _call(
    function: Callable[..., None],
    space: tuple[Sequence[int], Sequence[float], str],
    inputs: dict[str, Tensor | None],
    outputs: dict[str, Tensor],
    **time_and_tape: Any,
) -> None:
    """Calls with the inputs, made contiguous, and with contiguous outputs."""
    given = {name: None if tensor is None else tensor.contiguous() for name, tensor in inputs.items()}
    points, velocity = given["points"], given["velocity"]
    assert points is not None
    assert velocity is not None
    function(
        tessellation_of(*space),
        dtype_of(points),
        **{name: 0 if tensor is None else tensor.data_ptr() for name, tensor in (given | outputs).items()},
        n_batch=velocity.shape[0],
        n_points=points.shape[1],
        points_batch=points.shape[0],
        n_threads=torch.get_num_threads(),
        **time_and_tape,
    )


def _cloud(points: Tensor, velocity: Tensor, *more: int) -> Tensor:
    """Room for results per item and point."""
    return points.new_empty((velocity.shape[0], points.shape[1], *(more or (points.shape[2],))))


def _gradients(points: Tensor, velocity: Tensor, need_points: bool = True) -> dict[str, Tensor]:
    return {
        "grad_points": _cloud(points, velocity) if need_points else points.new_empty(0),
        "grad_velocity": torch.empty_like(velocity, memory_format=torch.contiguous_format),
    }


def transform(
    points: Tensor, velocity: Tensor, cells: Sequence[int], domain: Sequence[float], outside: str, time: float
) -> Tensor:
    """Points moved along the flow, (N, P, n)."""
    return _moved(points, velocity, (cells, domain, outside), time=time)


def _moved(
    points: Tensor, velocity: Tensor, space: tuple[Sequence[int], Sequence[float], str], **time_and_tape: Any
) -> Tensor:
    out = _cloud(points, velocity)
    _call(native.transform, space, {"points": points, "velocity": velocity}, {"out": out}, **time_and_tape)
    return out


def transform_taped(
    points: Tensor, velocity: Tensor, cells: Sequence[int], domain: Sequence[float], outside: str, time: float
) -> tuple[Tensor, Tensor]:
    """Transformed points, and a tape of their trajectories."""
    space = (cells, domain, outside)
    shared = points.requires_grad and points.shape[0] < velocity.shape[0]  # their gradients are added up afterwards
    beside = velocity.shape[0] * points.numel() * points.element_size() if shared else 0
    tape = new_tape(tessellation_of(*space), velocity, points.shape[1], beside)
    return _moved(points, velocity, space, time=time, tape=memory_of(tape)), tape


def new_tape(tessellation: Tessellation, velocity: Tensor, n_points: int, beside: int = 0) -> Tensor:
    """Memory for what a forward call with these velocities tells the backward call, which needs bytes beside it."""
    size = native.tape_bytes(tessellation, dtype_of(velocity), velocity.shape[0], n_points, beside=beside)
    return torch.empty(size, dtype=torch.uint8)


def memory_of(tape: Tensor | None) -> tuple[int, int]:
    """Address and size of a tape; zeros for none."""
    return (0, 0) if tape is None else (tape.data_ptr(), tape.numel())


def transform_vjp(
    points: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of the points, per batch item (N, P, n), and of the velocities (N, V, n)."""
    return transform_vjp_taped(points, velocity, grad_out, None, True, cells, domain, outside, time)


def transform_vjp_taped(
    points: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    tape: Tensor | None,
    need_points: bool,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of a transform that left a tape. A gradient of the points that is not needed is an empty tensor."""
    inputs: dict[str, Tensor | None] = {"points": points, "velocity": velocity, "grad_out": grad_out}
    grads = _gradients(points, velocity, need_points)
    _call(native.transform_vjp, (cells, domain, outside), inputs, grads, time=time, tape=memory_of(tape))
    return grads["grad_points"], grads["grad_velocity"]


def transform_jvp(
    points: Tensor,
    velocity: Tensor,
    tangent_points: Tensor | None,
    tangent_velocity: Tensor | None,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> Tensor:
    """The derivative of the result along tangents, (N, P, n)."""
    tangents = {"tangent_points": tangent_points, "tangent_velocity": tangent_velocity}
    out, space = _cloud(points, velocity), (cells, domain, outside)
    inputs = {"points": points, "velocity": velocity, **tangents}
    _call(native.transform_jvp, space, inputs, {"out_tangent": out}, time=time)
    return out


def transform_vjp_jvp(
    points: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    tangent_points: Tensor | None,
    tangent_velocity: Tensor | None,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Derivatives of both gradients along tangents, in the shapes of the gradients."""
    tangents = {"tangent_points": tangent_points, "tangent_velocity": tangent_velocity}
    inputs = {"points": points, "velocity": velocity, "grad_out": grad_out, **tangents}
    grads = _gradients(points, velocity)
    _call(native.transform_vjp_jvp, (cells, domain, outside), inputs, grads, time=time)
    return grads["grad_points"], grads["grad_velocity"]


def velocity(points: Tensor, velocity: Tensor, cells: Sequence[int], domain: Sequence[float], outside: str) -> Tensor:
    """Velocities at points, (N, P, n)."""
    out = _cloud(points, velocity)
    inputs: dict[str, Tensor | None] = {"points": points, "velocity": velocity}
    _call(native.velocity, (cells, domain, outside), inputs, {"out": out})
    return out


def jacobian(
    points: Tensor, velocity: Tensor, cells: Sequence[int], domain: Sequence[float], outside: str, time: float
) -> tuple[Tensor, Tensor]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    n_axes = points.shape[2]
    results = {
        "jacobian": _cloud(points, velocity, n_axes, n_axes),
        "log_det": points.new_empty((velocity.shape[0], points.shape[1])),
    }
    inputs: dict[str, Tensor | None] = {"points": points, "velocity": velocity}
    _call(native.jacobian, (cells, domain, outside), inputs, results, time=time)
    return results["jacobian"], results["log_det"]


def jacobian_vjp(
    points: Tensor,
    velocity: Tensor,
    grad_jacobian: Tensor | None,
    grad_log_det: Tensor | None,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of the points, per batch item (N, P, n), and of the velocities (N, V, n)."""
    cotangents = {"grad_jacobian": grad_jacobian, "grad_log_det": grad_log_det}
    grads = _gradients(points, velocity)
    inputs = {"points": points, "velocity": velocity, **cotangents}
    _call(native.jacobian_vjp, (cells, domain, outside), inputs, grads, time=time)
    return grads["grad_points"], grads["grad_velocity"]


transform_op, transform_vjp_op = operator(transform, shared=(0,)), operator(transform_vjp, shared=(0,))
transform_jvp_op = operator(transform_jvp, shared=(0, 2))
transform_vjp_jvp_op = operator(transform_vjp_jvp, shared=(0, 3))
velocity_op, jacobian_op = operator(velocity, shared=(0,)), operator(jacobian, shared=(0,))
jacobian_vjp_op = operator(jacobian_vjp, shared=(0,))


@transform_op.register_fake
@velocity_op.register_fake
@transform_jvp_op.register_fake
def _(points: Tensor, velocity: Tensor, *options: Any) -> Tensor:
    return _cloud(points, velocity)


@transform_vjp_op.register_fake
@transform_vjp_jvp_op.register_fake
@jacobian_vjp_op.register_fake
def _(points: Tensor, velocity: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    grads = _gradients(points, velocity)
    return grads["grad_points"], grads["grad_velocity"]


@jacobian_op.register_fake
def _(points: Tensor, velocity: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    n_axes = points.shape[2]
    return _cloud(points, velocity, n_axes, n_axes), points.new_empty((velocity.shape[0], points.shape[1]))
