"""The native transform and its vector-Jacobian product as operators that torch knows.

Both have a fake implementation (shapes without data) and the first a gradient, which is the second;
the second has none: differentiating twice is an error, not a wrong number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from cpabx import native
from cpabx.errors import UnsupportedError
from cpabx.tessellation import Tessellation


def _tessellation(cells: Sequence[int], domain: Sequence[float], outside: str) -> Tessellation:
    pairs = list(zip(domain[::2], domain[1::2], strict=True))
    return Tessellation(tuple(cells), domain=pairs, outside=outside)


def _arguments(points: Tensor, velocity: Tensor) -> dict[str, Any]:
    return {
        "dtype": str(points.dtype).removeprefix("torch."),
        "n_batch": velocity.shape[0],
        "n_points": points.shape[1],
        "points_batch": points.shape[0],
        "n_threads": torch.get_num_threads(),
    }


def transform(points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""
    _refuse_forward_mode(points, velocity)
    domain = [bound for pair in tessellation.domain for bound in pair]
    moved: Tensor = transform_op(points, velocity, tessellation.cells, domain, tessellation.outside, time)
    return moved


def _refuse_forward_mode(*tensors: Tensor) -> None:
    # register_autograd covers reverse mode only: torch would answer zeros without a word.
    unpack: Any = forward_ad.unpack_dual
    if any(unpack(tensor).tangent is not None for tensor in tensors):
        raise UnsupportedError(
            "CPAB transformations have no forward-mode derivative yet",
            "tensors with tangents (torch.func.jvp, jacfwd or forward_ad)",
            "Use reverse mode: backward() or torch.autograd.grad.",
        )


@torch.library.custom_op("cpabx::transform", mutates_args=(), device_types="cpu")
def transform_op(
    points: Tensor, velocity: Tensor, cells: Sequence[int], domain: Sequence[float], outside: str, time: float
) -> Tensor:
    """The operator behind :func:`transform`."""
    points, velocity = points.contiguous(), velocity.contiguous()
    out = points.new_empty((velocity.shape[0], *points.shape[1:]))
    native.transform(
        _tessellation(cells, domain, outside),
        **_arguments(points, velocity),
        velocity=velocity.data_ptr(),
        points=points.data_ptr(),
        out=out.data_ptr(),
        time=time,
    )
    return out


@torch.library.custom_op("cpabx::transform_vjp", mutates_args=(), device_types="cpu")
def transform_vjp_op(
    points: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
) -> tuple[Tensor, Tensor]:
    """Gradients of the points, per batch item (N, P, n), and of the velocities (N, V, n)."""
    points, velocity, grad_out = points.contiguous(), velocity.contiguous(), grad_out.contiguous()
    grad_points, grad_velocity = torch.empty_like(grad_out), torch.empty_like(velocity)
    native.transform_vjp(
        _tessellation(cells, domain, outside),
        **_arguments(points, velocity),
        velocity=velocity.data_ptr(),
        points=points.data_ptr(),
        grad_out=grad_out.data_ptr(),
        grad_velocity=grad_velocity.data_ptr(),
        grad_points=grad_points.data_ptr(),
        time=time,
    )
    return grad_points, grad_velocity


@transform_op.register_fake
def _(points: Tensor, velocity: Tensor, *options: Any) -> Tensor:
    return points.new_empty((velocity.shape[0], points.shape[1], points.shape[2]))


@transform_vjp_op.register_fake
def _(points: Tensor, velocity: Tensor, grad_out: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    return (
        torch.empty_like(grad_out, memory_format=torch.contiguous_format),
        torch.empty_like(velocity, memory_format=torch.contiguous_format),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    points, velocity, *ctx.options = inputs
    ctx.save_for_backward(points, velocity)


def _backward(ctx: Any, grad_out: Tensor) -> tuple[Any, ...]:
    points, velocity = ctx.saved_tensors
    grad_points, grad_velocity = transform_vjp_op(points, velocity, grad_out, *ctx.options)
    if points.shape[0] != velocity.shape[0]:  # shared by the batch
        grad_points = grad_points.sum(0, keepdim=True)
    return grad_points, grad_velocity, None, None, None, None


transform_op.register_autograd(_backward, setup_context=_save)
