"""The functions of libcpab that sample images, by themselves, and as operators that torch knows.

Images are (N, C, *size), points (N, P, n), velocities at vertices (N, V, n), sizes (H, W) and the like. Gradients
of these operators are in :mod:`cpabx_torch.sampler` and :mod:`cpabx_torch.warp`. A gradient that is not needed
is an empty tensor, since an operator cannot return None. The functions by themselves are for
tensors that are plain, see :mod:`cpabx_torch.operators`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx import native
from cpabx_torch.native_ops import dtype_of, memory_of, new_tape, tessellation_of
from cpabx_torch.operators import operator
from cpabx_torch.precision import without_autocast


def _image(images: Tensor, mode: str, padding_mode: str, align_corners: bool) -> native.Image:
    channels, *size = images.shape[1:]
    return native.Image(tuple(size[::-1]), channels, False, padding_mode, mode, align_corners)  # type: ignore[arg-type]


def _like(tensor: Tensor, needed: bool) -> Tensor:
    """Room for a gradient, or nothing."""
    return torch.empty_like(tensor, memory_format=torch.contiguous_format) if needed else tensor.new_empty(0)


def _address(tensor: Tensor, needed: bool) -> int:
    return tensor.data_ptr() if needed else 0


def _is_for_torch(images: Tensor, points: Tensor, mode: str, padding_mode: str) -> bool:
    """Whether torch's own kernel can take it: the faster one in 2D, but it makes some pixel of what is not finite."""
    if mode not in _MODES or padding_mode not in _PADDINGS:
        return False
    if images.ndim != 4 or images.numel() == 0 or points.numel() == 0:
        return False
    flat = points.reshape(-1)
    with without_autocast(flat):
        return math.isfinite(torch.dot(flat, flat).item())  # nor is a square of what overflows in pixels


_MODES, _PADDINGS = ("linear", "nearest"), ("zeros", "border", "reflection")


def _torchs(mode: str, padding_mode: str) -> tuple[int, int]:
    """Options as its kernels know them."""
    return _MODES.index(mode), _PADDINGS.index(padding_mode)


def sample(images: Tensor, points: Tensor, mode: str, padding_mode: str, align_corners: bool) -> Tensor:
    """Images at points of [-1, 1]^n, (N, C, P)."""
    if _is_for_torch(images, points, mode, padding_mode):
        return torch.grid_sampler_2d(images, points[:, None], *_torchs(mode, padding_mode), align_corners)[:, :, 0]
    images, points = images.contiguous(), points.contiguous()
    out = images.new_empty((*images.shape[:2], points.shape[1]))
    native.sample(
        _image(images, mode, padding_mode, align_corners),
        dtype_of(images),
        data=images.data_ptr(),
        points=points.data_ptr(),
        out=out.data_ptr(),
        n_batch=images.shape[0],
        n_points=points.shape[1],
        points_batch=points.shape[0],
        n_threads=torch.get_num_threads(),
    )
    return out


def sample_vjp(
    images: Tensor,
    points: Tensor,
    grad_out: Tensor,
    need_images: bool,
    need_points: bool,
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of the images and of the points."""
    if _is_for_torch(images, points, mode, padding_mode):
        grads = torch.ops.aten.grid_sampler_2d_backward(
            *(grad_out[:, :, None], images, points[:, None], *_torchs(mode, padding_mode), align_corners),
            [need_images, need_points],
        )
        return grads[0] if need_images else images.new_empty(0), grads[1][:, 0] if need_points else points.new_empty(0)
    images, points, grad_out = images.contiguous(), points.contiguous(), grad_out.contiguous()
    grad_images, grad_points = _like(images, need_images), _like(points, need_points)
    native.sample_vjp(
        _image(images, mode, padding_mode, align_corners),
        dtype_of(images),
        data=images.data_ptr(),
        points=points.data_ptr(),
        grad_out=grad_out.data_ptr(),
        grad_data=_address(grad_images, need_images),
        grad_points=_address(grad_points, need_points),
        n_batch=images.shape[0],
        n_points=points.shape[1],
        points_batch=points.shape[0],
        n_threads=torch.get_num_threads(),
    )
    return grad_images, grad_points


def warp(
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
    """Images moved by flows, (N, C, *output_size)."""
    options = (cells, domain, outside, time, output_size, mode, padding_mode, align_corners)
    return _warped(images, velocity, None, *options)


def warp_taped(images: Tensor, velocity: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    """Warped images, and a tape of the trajectories of their pixels."""
    cells, domain, outside, _, output_size, *_ = options
    tape = new_tape(tessellation_of(cells, domain, outside), velocity, math.prod(output_size))
    return _warped(images, velocity, tape, *options), tape


def _warped(
    images: Tensor,
    velocity: Tensor,
    tape: Tensor | None,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> Tensor:
    images, velocity = images.contiguous(), velocity.contiguous()
    out = images.new_empty((*images.shape[:2], *output_size))
    native.warp(
        tessellation_of(cells, domain, outside),
        _image(images, mode, padding_mode, align_corners),
        dtype_of(images),
        velocity=velocity.data_ptr(),
        data=images.data_ptr(),
        out=out.data_ptr(),
        output_size=tuple(output_size)[::-1],
        n_batch=images.shape[0],
        time=time,
        n_threads=torch.get_num_threads(),
        tape=memory_of(tape),
    )
    return out


def warp_vjp(
    images: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    need_images: bool,
    need_velocity: bool,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of the images and of the velocities."""
    options = (cells, domain, outside, time, output_size, mode, padding_mode, align_corners)
    return warp_vjp_taped(images, velocity, grad_out, None, need_images, need_velocity, *options)


def warp_vjp_taped(
    images: Tensor,
    velocity: Tensor,
    grad_out: Tensor,
    tape: Tensor | None,
    need_images: bool,
    need_velocity: bool,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> tuple[Tensor, Tensor]:
    """Gradients of a warp that left a tape."""
    images, velocity, grad_out = images.contiguous(), velocity.contiguous(), grad_out.contiguous()
    grad_images, grad_velocity = _like(images, need_images), _like(velocity, need_velocity)
    native.warp_vjp(
        tessellation_of(cells, domain, outside),
        _image(images, mode, padding_mode, align_corners),
        dtype_of(images),
        velocity=velocity.data_ptr(),
        data=images.data_ptr(),
        grad_out=grad_out.data_ptr(),
        grad_velocity=_address(grad_velocity, need_velocity),
        grad_data=_address(grad_images, need_images),
        output_size=tuple(output_size)[::-1],
        n_batch=images.shape[0],
        time=time,
        n_threads=torch.get_num_threads(),
        tape=memory_of(tape),
    )
    return grad_images, grad_velocity


sample_op, sample_vjp_op = operator(sample), operator(sample_vjp)
warp_op, warp_vjp_op = operator(warp), operator(warp_vjp)


@sample_op.register_fake
def _(images: Tensor, points: Tensor, *options: object) -> Tensor:
    return images.new_empty((*images.shape[:2], points.shape[1]))


@warp_op.register_fake
def _(
    images: Tensor,
    velocity: Tensor,
    cells: Sequence[int],
    domain: Sequence[float],
    outside: str,
    time: float,
    output_size: Sequence[int],
    *sampling: object,
) -> Tensor:
    return images.new_empty((*images.shape[:2], *output_size))


@sample_vjp_op.register_fake
@warp_vjp_op.register_fake
def _(
    images: Tensor, other: Tensor, grad_out: Tensor, need_images: bool, need_other: bool, *options: object
) -> tuple[Tensor, Tensor]:
    return _like(images, need_images), _like(other, need_other)
