"""CPAB maps of vectors (..., n) by theta (..., d), which broadcast with each other as torch's distributions do."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cpabx.errors import ShapeError
from cpabx.transforms import Cpab


def moved(cpab: Cpab, x: Tensor, theta: Tensor, time: float) -> Tensor:
    """(..., n): T^theta(x), for as long as ``time`` says."""
    points, flat, shape = _side_by_side(cpab, x, theta)
    return _as_before(cpab.transform(points, flat, time=time), shape, theta)


def moved_and_log_det(cpab: Cpab, x: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor]:
    """(..., n) and (...): T^theta(x), and log |det dT/dx|."""
    points, flat, shape = _side_by_side(cpab, x, theta)
    y, log_det = cpab.transform_and_log_det(points, flat, time=time)
    return _as_before(y, shape, theta), _as_before(log_det[..., None], shape, theta)[..., 0]


def _side_by_side(cpab: Cpab, x: Tensor, theta: Tensor) -> tuple[Tensor, Tensor, tuple[int, ...]]:
    """Points (P, n) or (N, P, n), theta (N, d), and the shape of the result but for its last axis."""
    n, own = cpab.ndim, theta.shape[:-1]
    if not x.ndim or x.shape[-1] != n:
        raise ShapeError(f"x must be (..., {n}) for {cpab!r}", f"shape {tuple(x.shape)}", "Reshape it.")
    try:
        shape = torch.broadcast_shapes(x.shape[:-1], own)  # type: ignore[no-untyped-call]
    except RuntimeError:
        raise ShapeError(
            "x and theta must broadcast with each other, but for their last axes",
            f"shapes {tuple(x.shape)} and {tuple(theta.shape)}",
            "Add axes of length 1.",
        ) from None
    points = x.expand(*shape, n)
    if math.prod(own) == 1:
        return points.reshape(-1, n), theta.reshape(1, -1), tuple(shape)
    many = shape[len(shape) - len(own) :]
    flat = theta.expand(*many, theta.shape[-1]).reshape(-1, theta.shape[-1])
    return points.reshape(-1, len(flat), n).transpose(0, 1), flat, tuple(shape)


def _as_before(result: Tensor, shape: tuple[int, ...], theta: Tensor) -> Tensor:
    """A result (N, P, k) as (*shape, k)."""
    if math.prod(theta.shape[:-1]) != 1:
        result = result.transpose(0, 1)
    return result.reshape(*shape, result.shape[-1])
