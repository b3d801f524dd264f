"""The fused form of transforming and sampling, as torch differentiates it.

Backward is fused as well. Second derivatives and forward mode go through the points instead: the transform of
:mod:`cpabx_torch.ops`, then :func:`cpabx_torch.sampler.interpolate`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.pixel_grid import pixel_grid
from cpabx.tessellation import Tessellation
from cpabx_torch import native_images, ops
from cpabx_torch.forward_mode import has_tangents
from cpabx_torch.native_ops import options_of, tessellation_of
from cpabx_torch.operators import differentiable, takes_tapes
from cpabx_torch.sampler import given, interpolate, vjp_of_vjp


def warp(
    images: Tensor,
    velocity: Tensor,
    tessellation: Tessellation,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    """Images (N, C, *size) by the flows of velocities (N, V, n): (N, C, *output_size)."""
    options = (*options_of(tessellation), time, output_size, mode, padding_mode, align_corners)
    if has_tangents(images, velocity):
        return _through_points(images, velocity, *options)
    warped: Tensor = _warp(images, velocity, *options)
    return warped


def _through_points(
    images: Tensor,
    velocity: Tensor,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    tessellation = tessellation_of(cells, domain, outside)
    grid = pixel_grid(tuple(output_size), align_corners, tessellation.domain)
    points, centre, scale = (
        torch.tensor(values, dtype=velocity.dtype, device=velocity.device) for values in (grid.points, *grid.to_unit)
    )
    moved = ops.transform(points[None], velocity, tessellation, time)
    sampled = interpolate(images, (moved - centre) * scale, mode, padding_mode, align_corners)
    return sampled.reshape(*sampled.shape[:2], *output_size)


def _save_warp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, velocity, *ctx.options = inputs
    ctx.save_for_backward(images, velocity)


def _backward_warp(ctx: Any, grad_out: Tensor) -> tuple[Any, ...]:
    images, velocity, *tape = ctx.saved_tensors
    needs = ctx.needs_input_grad[:2]
    if tape and takes_tapes(images, velocity, grad_out):
        grads = native_images.warp_vjp_taped(images, velocity, grad_out, *tape, *needs, *ctx.options)
    else:
        grads = _warp_vjp(images, velocity, grad_out, *needs, *ctx.options)
    return *given(grads, needs), *[None] * len(ctx.options)


def _save_vjp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, velocity, grad_out, need_images, need_velocity, *ctx.options = inputs
    ctx.needs = (need_images, need_velocity)
    ctx.save_for_backward(images, velocity, grad_out)
    ctx.set_materialize_grads(False)


def _backward_vjp(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
    images, velocity, grad_out = ctx.saved_tensors

    def function(images: Tensor, velocity: Tensor) -> Tensor:
        return _through_points(images, velocity, *ctx.options)

    grads = vjp_of_vjp(function, (images, velocity), grad_out, given(cotangents, ctx.needs))
    return *grads, *[None] * (2 + len(ctx.options))


_warp = differentiable(
    native_images.warp,
    native_images.warp_op,
    _save_warp,
    _backward_warp,
    tape=native_images.warp_taped,
    taped_for=(1,),
)
_warp_vjp = differentiable(native_images.warp_vjp, native_images.warp_vjp_op, _save_vjp, _backward_vjp)
