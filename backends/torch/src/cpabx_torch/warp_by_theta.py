"""Images warped by theta itself, as one node of autograd: for small images, nodes cost more than what they compute.

It is for plain tensors. Second derivatives go through the velocities, as those of :mod:`cpabx_torch.warp` do.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpabx_torch import functions
from cpabx_torch.constants import CONSTANTS
from cpabx_torch.differentiation import apply_of, given, is_plain, takes_tapes
from cpabx_torch.forward_mode import is_off
from cpabx_torch.precision import product
from cpabx_torch.warp import replayed, warp_vjp


def warp_by_theta(images: Tensor, theta: Tensor, rows: np.ndarray[Any, Any], *problem: Any) -> Tensor | None:
    """Images (N, C, *size) by the flows of velocities theta @ rows, of a problem as :func:`cpabx_torch.warp.warp` has.

    None for tensors that somebody else than autograd watches, or that are on a device.
    """
    if not (images.is_cpu and is_plain(images, theta) and is_off()):
        return None
    kept = CONSTANTS.get(rows, theta.dtype, theta.device)
    if torch.is_grad_enabled():
        if theta.requires_grad:
            return _apply(images, theta, kept, problem)  # type: ignore[no-any-return]
        if images.requires_grad:
            return None
    return functions.warp(images, product(theta, kept), *problem)  # type: ignore[no-any-return]


class _WarpByTheta(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: Tensor, theta: Tensor, rows: Tensor, problem: tuple[Any, ...]) -> Any:
        velocity = product(theta, rows)
        output, tape = functions.warp.taped(images, velocity, *problem)
        ctx.rows, ctx.problem = rows, problem
        ctx.save_for_backward(images, theta, velocity, tape)
        return output

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> Any:
        images, theta, velocity, tape = ctx.saved_tensors
        wanted, rows, problem = ctx.needs_input_grad[:2], ctx.rows, ctx.problem
        if takes_tapes(images, theta, grad_out):
            grad_images, grad = replayed(tape, images, velocity, grad_out, wanted, *problem)
        else:
            velocity = product(theta, rows).reshape(-1, problem[0].n_vertices, problem[0].ndim)
            grad_images, grad = given(warp_vjp(images, velocity, grad_out, wanted, *problem), wanted)
            grad = None if grad is None else grad.reshape(-1, rows.shape[1])
        return grad_images, None if grad is None else product(grad, rows.T), None, None


_apply = apply_of(_WarpByTheta)
