"""Interpolation of images, with the options of ``torch.nn.functional.grid_sample``, as torch differentiates it.

Three ways with the same numbers: libcpab on the CPU and on CUDA devices, torch's own kernels elsewhere, and
:func:`interpolate`, which is made of plain torch operations, for derivatives that these two do not have.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.sampling import Sampling
from cpabx_torch import functions
from cpabx_torch.devices import has_library
from cpabx_torch.differentiation import differentiable, given
from cpabx_torch.forward_mode import has_tangents


def sample(images: Tensor, points: Tensor, sampling: Sampling) -> Tensor:
    """Images (N, C, *size) at points (N, P, n) in [-1, 1]^n: (N, C, P). Points that are not finite are NaN."""
    if has_tangents(images, points):
        return interpolate(images, points, sampling)
    if images.is_cpu or (images.is_cuda and has_library()):
        sampled: Tensor = _sample(images, points, sampling)
        return sampled
    return _grid_sample(images, points, sampling) + _lost(points)


def sample_plainly(images: Tensor, points: Tensor, sampling: Sampling) -> Tensor:
    """As :func:`sample`, in operations that exporters and tracers have: torch's own in 1D and 2D, and plain ones."""
    if points.shape[-1] == 3:  # ONNX has that from its version 20 on, and few runtimes
        return interpolate(images, points, sampling)
    somewhere = torch.where(points.isfinite(), points, 0.0)  # what a runtime does with others is its own affair
    return _grid_sample(images, somewhere, sampling) + _lost(points)


def _grid_sample(images: Tensor, points: Tensor, sampling: Sampling) -> Tensor:
    """By torch, for which there is no 1D: a signal is an image of one row, seen at y = 0."""
    mode = sampling.mode
    if sampling.padding_mode == "wrap" or (mode == "cubic" and points.shape[-1] != 2):  # which torch does not have
        return interpolate(images, points, sampling)
    n, channels, n_points, ndim = *images.shape[:2], *points.shape[1:]
    if images.shape[0] == 0 or images.shape[1] == 0 or n_points == 0:
        return images.new_zeros((n, channels, n_points))
    if ndim == 1:
        images, points = images[:, :, None], torch.cat([points, torch.zeros_like(points)], dim=-1)
    sampled = torch.nn.functional.grid_sample(
        images,
        points.reshape(n, *[1] * (points.shape[-1] - 1), n_points, -1),
        mode={"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode),
        padding_mode=sampling.padding_mode,
        align_corners=sampling.align_corners,
    )
    return sampled.reshape(n, channels, n_points)


# -- in torch's own operations -------------------------------------------------------------------


def interpolate(images: Tensor, points: Tensor, sampling: Sampling, lengths: Tensor | None = None) -> Tensor:
    """The same as :func:`sample`, differentiable as often as one likes, and in forward mode.

    With ``lengths`` (N,), the first samples of each series alone, so many, are what covers [-1, 1].
    """
    sizes = images.shape[2:][::-1] if lengths is None else (lengths[:, None],)
    finite, axes = points.isfinite().all(-1), []
    for axis, size in enumerate(sizes):
        pixel = _pixel(points[..., axis], size, finite, sampling)
        start = pixel.detach().round() if sampling.mode == "nearest" else pixel.detach().floor()
        taps = _weights(pixel - start, sampling.mode).items()
        axes.append([(_resolved(start + step, size, sampling), weight) for step, weight in taps])
    result = _lost(points)
    for corner in itertools.product(*axes):
        tap = _tap(images, [place for place, _ in corner], sizes)
        for _, weight in corner:
            tap = tap if weight is None else tap * weight[:, None]
        result = result + tap
    return result


def _weights(t: Tensor, mode: str) -> dict[int, Tensor | None]:
    """What pixels that many steps from floor(u) count, t being u - floor(u); those of torch's cubic have a = -3/4."""
    if mode == "nearest":
        return {0: None}
    s = 1 - t
    if mode == "linear":
        return {0: s, 1: t}
    a = -0.75
    return {
        -1: a * t * s * s,
        0: ((a + 2) * t - (a + 3)) * t * t + 1,
        1: ((a + 2) * s - (a + 3)) * s * s + 1,
        2: a * s * t * t,
    }


def _pixel(coordinate: Tensor, size: Any, finite: Tensor, sampling: Sampling) -> Tensor:
    """Pixel coordinates: pixel i has its centre at i."""
    padding_mode, align_corners = sampling.padding_mode, sampling.align_corners
    pixel = (coordinate + 1) / 2 * (size - 1) if align_corners else ((coordinate + 1) * size - 1) / 2
    pixel = torch.where(finite, pixel, 0.0)
    if padding_mode == "reflection":
        pixel = _reflect(pixel, size, align_corners)
    if padding_mode == "wrap":
        pixel = torch.where(pixel.isfinite(), pixel, 0.0).remainder(size)  # what overflowed ends up at 0
    if padding_mode in ("border", "reflection") and sampling.mode != "cubic":
        pixel = torch.where((pixel > 0) & (pixel < size - 1), pixel, _within(pixel.detach(), 0, size - 1))
    # What is far outside, or nowhere, contributes nothing, or no more, and must not overflow an integer.
    return torch.where(finite, _within(pixel, -2, size + 1), -2.0)


def _resolved(place: Tensor, size: Any, sampling: Sampling) -> Tensor:
    """The pixel of the image, or none, that padding puts at a whole number near it."""
    if sampling.padding_mode == "reflection":
        place = _reflect(place, size, sampling.align_corners)
    if sampling.padding_mode == "wrap":
        return place.remainder(size)
    return place if sampling.padding_mode == "zeros" else _within(place, 0, size - 1)


def _reflect(pixel: Tensor, size: Any, align_corners: bool) -> Tensor:
    """Folds the line into the image, as two mirrors do; what overflowed ends up at the first of them."""
    low, span = (0.0, size - 1) if align_corners else (-0.5, size)
    period = (2 * span).clamp(min=1) if isinstance(span, Tensor) else max(2 * span, 1)
    folded = torch.where(pixel.isfinite(), pixel - low, 0.0).abs().remainder(period)
    return torch.where(folded > span, 2 * span - folded, folded) + low


def _within(pixel: Tensor, low: int, high: Any) -> Tensor:
    return torch.minimum(pixel.clamp(min=low), high) if isinstance(high, Tensor) else pixel.clamp(low, high)


def _tap(images: Tensor, places: Sequence[Tensor], sizes: Sequence[Any]) -> Tensor:
    """(N, C, P) pixels at whole numbers (x, y, z) of shape (N, P), zero outside of the image."""
    index = inside = None
    for place, size in zip(reversed(places), reversed(sizes), strict=True):
        within = (place >= 0) & (place < size)
        step = torch.where(within, place, 0.0).long()
        inside = within if inside is None else inside & within
        index = step if index is None else index * size + step
    assert index is not None
    assert inside is not None
    taps = images.flatten(2).gather(2, index[:, None].expand(-1, images.shape[1], -1))
    return torch.where(inside[:, None], taps, 0.0)


def _lost(points: Tensor) -> Tensor:
    """(N, 1, P): NaN where a point is not finite, its gradient too, and else 0."""
    nothing = (points * 0).sum(-1, keepdim=True).detach()
    return (points * nothing).sum(-1)[:, None]


# -- label maps ----------------------------------------------------------------------------------


def take_pixels(images: Tensor, places: Tensor, fill: Tensor) -> Tensor:
    """:meth:`cpabx.backend.Backend.take_pixels`."""
    outside = fill.reshape(-1, *[1] * (images.ndim - 2))
    if str(images.dtype) in _UNSIGNED:  # torch cannot gather these
        signed = getattr(torch, _UNSIGNED[str(images.dtype)])
        return _take(images.view(signed), places, outside.view(signed)).view(images.dtype)
    return _take(images, places, outside)


def _take(images: Tensor, places: Tensor, outside: Tensor) -> Tensor:
    (n, channels), out_size = images.shape[:2], places.shape[2:]
    inside = (places >= 1).all(1)
    steps = torch.where(inside[:, None], places, 1).long() - 1
    index = steps[:, -1]
    for axis in range(1, images.ndim - 2):  # z, y, x: of the sizes, that of z comes first
        index = index * images.shape[2 + axis] + steps[:, -1 - axis]
    taps = images.flatten(2).gather(2, index.reshape(n, 1, math.prod(out_size)).expand(-1, channels, -1))
    return torch.where(inside[:, None], taps.reshape(n, channels, *out_size), outside)


_UNSIGNED = {"torch.uint16": "int16", "torch.uint32": "int32", "torch.uint64": "int64"}


# -- gradients -----------------------------------------------------------------------------------


def _save_sample(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, points, ctx.sampling = inputs
    ctx.save_for_backward(images, points)


def _backward_sample(ctx: Any, grad_out: Tensor) -> tuple[Any, ...]:
    images, points = ctx.saved_tensors
    wanted = ctx.needs_input_grad[:2]
    return given(_sample_vjp(images, points, grad_out, wanted, ctx.sampling), wanted)


def _save_vjp(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    images, points, grad_out, ctx.wanted, ctx.sampling = inputs
    ctx.save_for_backward(images, points, grad_out)
    ctx.set_materialize_grads(False)


def _backward_vjp(ctx: Any, *cotangents: Tensor | None) -> tuple[Any, ...]:
    images, points, grad_out = ctx.saved_tensors

    def function(images: Tensor, points: Tensor) -> Tensor:
        return interpolate(images, points, ctx.sampling)

    return vjp_of_vjp(function, (images, points), grad_out, given(cotangents, ctx.wanted))


def vjp_of_vjp(
    function: Callable[..., Tensor],
    arguments: Sequence[Tensor],
    grad_out: Tensor,
    cotangents: Sequence[Tensor | None],
) -> tuple[Tensor | None, ...]:
    """Gradients of <J^T grad_out, cotangents> by the arguments and grad_out, J being the function's Jacobian.

    The function is evaluated again, so it need not be how the first gradient was computed.
    """
    if all(cotangent is None for cotangent in cotangents):
        return (None,) * (len(arguments) + 1)

    def first(*primals: Tensor) -> Any:
        *arguments, grad_out = primals
        return torch.func.vjp(function, *arguments)[1](grad_out)

    along = [torch.zeros_like(x) if u is None else u for x, u in zip(arguments, cotangents, strict=True)]
    grads: tuple[Tensor, ...] = torch.func.vjp(first, *arguments, grad_out)[1](tuple(along))
    return grads


_sample = differentiable(functions.sample, _save_sample, _backward_sample)
_sample_vjp = differentiable(functions.sample_vjp, _save_vjp, _backward_vjp)
