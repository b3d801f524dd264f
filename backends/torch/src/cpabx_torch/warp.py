"""The fused form of transforming and sampling, as torch differentiates it.

The backward pass is fused as well. Second derivatives and forward mode go through the points instead: the transform of
:mod:`cpabx_torch.flow`, then :func:`cpabx_torch.sampling.interpolate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from cpabx.sampling import Sampling, pixel_grid
from cpabx.tessellation import Tessellation
from cpabx_torch import flow, functions
from cpabx_torch.constants import row
from cpabx_torch.differentiation import differentiable, given, takes_tapes
from cpabx_torch.forward_mode import has_tangents, is_off, make_dual, unpack
from cpabx_torch.sampling import interpolate, vjp_of_vjp


def warp(
    images: Tensor,
    velocity: Tensor,
    tessellation: Tessellation,
    time: float,
    output_size: Sequence[int],
    sampling: Sampling,
) -> Tensor:
    """Images (N, C, *size) by the flows of velocities (N, V, n): (N, C, *output_size)."""
    if has_tangents(images, velocity):
        return _through_points(images, velocity, tessellation, time, output_size, sampling)
    warped: Tensor = _warp(images, velocity, tessellation, time, output_size, sampling)
    return warped


def _through_points(
    images: Tensor,
    velocity: Tensor,
    tessellation: Tessellation,
    time: float,
    output_size: Sequence[int],
    sampling: Sampling,
) -> Tensor:
    grid = pixel_grid(tuple(output_size), sampling.align_corners, tessellation.domain)
    points, centre, scale = (row(values, like=velocity) for values in (grid.points, *grid.to_unit))
    moved = flow.transform(points[None], velocity, tessellation, time)
    sampled = interpolate(images, (moved - centre) * scale, sampling)
    return sampled.reshape(*sampled.shape[:2], *output_size)


def _save_warp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, velocity, *ctx.options = inputs
    ctx.save_for_backward(images, velocity)


def _backward_warp(ctx: Any, grad_out: Tensor) -> tuple[Any, ...]:
    images, velocity, *tape = ctx.saved_tensors
    wanted = ctx.needs_input_grad[:2]
    if tape and takes_tapes(images, velocity, grad_out):
        return replayed(tape[0], images, velocity, grad_out, wanted, *ctx.options)
    return given(warp_vjp(images, velocity, grad_out, wanted, *ctx.options), wanted)


def replayed(
    tape: Tensor, images: Tensor, velocity: Tensor, grad_out: Tensor, wanted: Sequence[bool], *problem: Any
) -> tuple[Any, ...]:
    """Gradients from a tape: of the cotangent, and of its tangent where it has one, for they are linear in it."""
    at, along = (grad_out, None) if is_off() else unpack(grad_out)
    grads: tuple[Any, ...] = functions.warp_vjp.replayed(tape, images, velocity, at, wanted, *problem)
    if along is None:
        return grads
    changes = functions.warp_vjp.replayed(tape, images, velocity, along, wanted, *problem)
    return tuple(None if g is None else make_dual(g, change) for g, change in zip(grads, changes, strict=True))


def _save_vjp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, velocity, grad_out, ctx.wanted, *ctx.options = inputs
    ctx.save_for_backward(images, velocity, grad_out)
    ctx.set_materialize_grads(False)


def _backward_vjp(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
    images, velocity, grad_out = ctx.saved_tensors

    def function(images: Tensor, velocity: Tensor) -> Tensor:
        return _through_points(images, velocity, *ctx.options)

    return vjp_of_vjp(function, (images, velocity), grad_out, given(cotangents, ctx.wanted))


_warp = differentiable(functions.warp, _save_warp, _backward_warp, taped_for=(1,))
warp_vjp = differentiable(functions.warp_vjp, _save_vjp, _backward_vjp)
