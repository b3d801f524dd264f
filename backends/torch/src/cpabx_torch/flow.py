"""CPAB transformations and their derivatives as functions that torch differentiates.

Twice, as far as one call of libcpab can: the gradient of ``transform`` is ``transform_vjp``, and the gradient
of that is made of ``transform_jvp`` and ``transform_vjp_jvp``. What comes after is an error, not a wrong number.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cpabx.errors import UnsupportedError
from cpabx.tessellation import Tessellation
from cpabx_torch import functions
from cpabx_torch.differentiation import differentiable, given, takes_tapes
from cpabx_torch.forward_mode import has_tangents, make_dual, nested, unpack


def transform(points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""
    _refuse_nested_forward_mode()
    flow = (tessellation, time)
    tangent_points, tangent_velocity = (unpack(tensor).tangent for tensor in (points, velocity))
    if tangent_points is None and tangent_velocity is None:
        moved: Tensor = _transform(points, velocity, *flow)
        return moved
    # register_autograd covers reverse mode only: by itself, torch would answer zeros without a word.
    points, velocity = unpack(points).primal, unpack(velocity).primal
    _refuse_forward_mode(points, velocity, tangent_points, tangent_velocity)
    tangent = _transform_jvp(points, velocity, tangent_points, tangent_velocity, *flow)
    return make_dual(_transform(points, velocity, *flow), tangent)  # type: ignore[no-any-return]


def transform_jvp(
    points: Tensor,
    velocity: Tensor,
    tangent_points: Tensor | None,
    tangent_velocity: Tensor | None,
    tessellation: Tessellation,
    time: float,
) -> Tensor:
    """The derivative of the result along tangents in the shapes of points and velocity: (N, P, n)."""
    _refuse_forward_mode(points, velocity, tangent_points, tangent_velocity)
    tangent: Tensor = _transform_jvp(points, velocity, tangent_points, tangent_velocity, tessellation, time)
    return tangent


def velocity(points: Tensor, velocity: Tensor, tessellation: Tessellation) -> Tensor:
    """Velocities at points: (N, P, n)."""
    _refuse_forward_mode(points, velocity)
    at_points: Tensor = _velocity(points, velocity, tessellation)
    return at_points


def jacobian(points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> tuple[Tensor, Tensor]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    _refuse_forward_mode(points, velocity)
    matrices: tuple[Tensor, Tensor] = _jacobian(points, velocity, tessellation, time)
    return matrices


def _refuse_forward_mode(*tensors: Tensor | None) -> None:
    """Only :func:`transform` has a forward-mode derivative."""
    _refuse_nested_forward_mode()
    if has_tangents(*tensors):
        raise _forward_mode_error("tensors with tangents (torch.func.jvp, jacfwd or forward_ad) in a derivative")


def _refuse_nested_forward_mode() -> None:
    """The tangents of the outer one would be lost without a word."""
    if nested():
        raise _forward_mode_error("torch.func.jvp or jacfwd inside of another")


def _forward_mode_error(received: str) -> UnsupportedError:
    return UnsupportedError(
        "CPAB transformations have forward-mode derivatives of first order only",
        received,
        "Use reverse mode for second derivatives: torch.autograd.grad, twice.",
    )


# -- gradients -----------------------------------------------------------------------------------


def _shaped(grad_points: Tensor, points: Tensor) -> Tensor:
    """Gradients per batch item, added up where the points are shared."""
    return grad_points.sum(0, keepdim=True) if points.shape[0] != grad_points.shape[0] else grad_points


_BOTH = (True, True)


def _save_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    points, velocity, *ctx.options = inputs
    ctx.save_for_backward(points, velocity)
    ctx.set_materialize_grads(False)  # a result that nobody used costs nothing


def _backward_transform(ctx: Any, grad_out: Tensor | None) -> tuple[Any, ...]:
    points, velocity, *tape = ctx.saved_tensors
    if grad_out is None:
        return None, None
    wanted = ctx.needs_input_grad[:2]
    if tape and takes_tapes(points, velocity, grad_out):
        grads = functions.transform_vjp.replayed(tape[0], points, velocity, grad_out, wanted, *ctx.options)
    else:
        grads = _transform_vjp(points, velocity, grad_out, wanted, *ctx.options)
    return _shaped(grads[0], points) if wanted[0] else None, grads[1] if wanted[1] else None


def _save_vjp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    points, velocity, grad_out, ctx.wanted, *ctx.options = inputs
    ctx.save_for_backward(points, velocity, grad_out)
    ctx.set_materialize_grads(False)


def _backward_vjp(ctx: Any, along_points: Tensor | None, along_velocity: Tensor | None) -> tuple[Any, ...]:
    """The vjp is J^T g. For cotangents u, the gradient of <J^T g, u> = <g, J u> is J u for g, and for the
    others what J^T g changes by in the direction u, second derivatives being symmetric.
    """
    points, velocity, grad_out = ctx.saved_tensors
    along_points, along_velocity = given((along_points, along_velocity), ctx.wanted)
    if along_points is None and along_velocity is None:
        return None, None, None
    each = points.expand(velocity.shape[0], -1, -1)  # the op's gradients of points are per item
    grad_points = grad_velocity = grad_grad_out = None
    if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
        grad_points, grad_velocity = _transform_vjp_jvp(
            each, velocity, grad_out, along_points, along_velocity, _BOTH, *ctx.options
        )
        grad_points = _shaped(grad_points, points)
    if ctx.needs_input_grad[2]:
        grad_grad_out = _transform_jvp(each, velocity, along_points, along_velocity, *ctx.options)
    return grad_points, grad_velocity, grad_grad_out


def _save_jvp(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    points, velocity, tangent_points, tangent_velocity, *ctx.options = inputs
    ctx.save_for_backward(points, velocity, tangent_points, tangent_velocity)


def _backward_jvp(ctx: Any, grad_out: Tensor) -> tuple[Any, ...]:
    """The jvp is J t: see above with g and t in their places."""
    points, velocity, tangent_points, tangent_velocity = ctx.saved_tensors
    grad_points = grad_velocity = grad_tangent_points = grad_tangent_velocity = None
    if ctx.needs_input_grad[0] or ctx.needs_input_grad[1]:
        grad_points, grad_velocity = _transform_vjp_jvp(
            points, velocity, grad_out, tangent_points, tangent_velocity, _BOTH, *ctx.options
        )
        grad_points = _shaped(grad_points, points)
    if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
        there, grad_tangent_velocity = _transform_vjp(points, velocity, grad_out, _BOTH, *ctx.options)
        grad_tangent_points = _shaped(there, points) if tangent_points is not None else None
        grad_tangent_velocity = grad_tangent_velocity if tangent_velocity is not None else None
    return grad_points, grad_velocity, grad_tangent_points, grad_tangent_velocity


def _backward_velocity(ctx: Any, grad_out: Tensor | None) -> tuple[Any, ...]:
    """Near the field of zeros phi(x; e v) = x + e v(x), as in :func:`cpabx.native.arrays.velocity_vjp`."""
    points, velocity = ctx.saved_tensors
    grad_points = grad_velocity = None
    if grad_out is None:
        return None, None
    zeros, flow = torch.zeros_like(velocity), (*ctx.options, 1.0)
    if ctx.needs_input_grad[0]:
        wanted = (True, False)
        grad_points, _ = _transform_vjp_jvp(points, zeros, grad_out, None, velocity, wanted, *flow)
        grad_points = _shaped(grad_points, points)
    if ctx.needs_input_grad[1]:
        _, grad_velocity = _transform_vjp(points, zeros, grad_out, (False, True), *flow)
    return grad_points, grad_velocity


def _backward_jacobian(ctx: Any, grad_jacobian: Tensor | None, grad_log_det: Tensor | None) -> tuple[Any, ...]:
    points, velocity = ctx.saved_tensors
    if grad_jacobian is None and grad_log_det is None:
        return None, None
    grads = _jacobian_vjp(points, velocity, grad_jacobian, grad_log_det, _BOTH, *ctx.options)
    return _shaped(grads[0], points), grads[1]


def _save_nothing(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    pass


def _refuse(ctx: Any, *grads: Any) -> Any:
    raise UnsupportedError(
        "CPAB transformations have derivatives up to the second, and their velocity and Jacobian up to the first",
        "a request for one more (backward through a graph made with create_graph=True)",
        "Detach the derivative, or take differences of it.",
    )


_transform = differentiable(functions.transform, _save_inputs, _backward_transform, taped_for=(0, 1))
_transform_vjp = differentiable(functions.transform_vjp, _save_vjp, _backward_vjp)
_transform_jvp = differentiable(functions.transform_jvp, _save_jvp, _backward_jvp)
_transform_vjp_jvp = differentiable(functions.transform_vjp_jvp, _save_nothing, _refuse)
_velocity = differentiable(functions.velocity, _save_inputs, _backward_velocity)
_jacobian = differentiable(functions.jacobian, _save_inputs, _backward_jacobian)
_jacobian_vjp = differentiable(functions.jacobian_vjp, _save_nothing, _refuse)
