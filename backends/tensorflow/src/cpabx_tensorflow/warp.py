"""The fused form of transforming and sampling, as TensorFlow differentiates it.

The gradient is fused as well. Second derivatives and forward mode go through the points instead: the transform
of :mod:`cpabx_tensorflow.ops`, then :mod:`cpabx_tensorflow.sampler`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import forwardprop_util  # there is no public way; the wheel pins TensorFlow's minor

from cpabx.errors import UnsupportedError
from cpabx.native import Image, arrays
from cpabx.pixel_grid import pixel_grid
from cpabx.tessellation import Tessellation
from cpabx_tensorflow import ops
from cpabx_tensorflow.operation import Call, Operation
from cpabx_tensorflow.problem import Flow, Warp
from cpabx_tensorflow.sampler import interpolate

Array = np.ndarray[Any, Any]


def warp(
    images: tf.Tensor,
    velocity: tf.Tensor,
    tessellation: Tessellation,
    time: float,
    output_size: Sequence[int],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> tf.Tensor:
    """Images (N, *size, C) by the flows of velocities (N, V, n): (N, *output_size, C)."""
    problem = Warp(Flow(tessellation, time), tuple(output_size), mode, padding_mode, align_corners)
    if forwardprop_util.pack_tangents([images, velocity]).tangents:
        return _through_points(images, velocity, problem)
    return _WARP((images, velocity), problem)[0]


def _through_points(images: tf.Tensor, velocity: tf.Tensor, problem: Warp) -> tf.Tensor:
    flow, size, mode, padding_mode, align_corners = problem
    grid = pixel_grid(tuple(size), align_corners, flow.tessellation.domain)
    centre, scale = (tf.constant(values, velocity.dtype) for values in grid.to_unit)
    moved = ops.transform(tf.constant(grid.points[None], velocity.dtype), velocity, *flow)
    places = tf.reshape((moved - centre) * scale, (-1, *size, len(size)))
    return interpolate(images, places, mode, padding_mode, align_corners)


# -- gradients -------------------------------------------------------------------------------------


def _warp_gradient(call: Call[Warp], grad_out: tf.Tensor) -> Any:
    return _WARP_VJP((*call.inputs, grad_out), call.problem)


def _vjp_gradient(call: Call[Warp], *cotangents: tf.Tensor) -> Any:
    images, velocity, grad_out = call.inputs
    with tf.GradientTape() as outer:
        outer.watch([images, velocity, grad_out])
        with tf.GradientTape() as inner:
            inner.watch([images, velocity])
            warped = _through_points(images, velocity, call.problem)
        first = inner.gradient(warped, [images, velocity], grad_out)
        if None in first:  # both count: no tape was allowed to record
            raise _no_recording()
        first = [tf.convert_to_tensor(grad) for grad in first]
    zero = tf.UnconnectedGradients.ZERO
    grads = outer.gradient(first, [images, velocity, grad_out], list(cotangents), unconnected_gradients=zero)
    return [tf.convert_to_tensor(grad) for grad in grads]  # gather's are sparse


def _no_recording() -> UnsupportedError:
    return UnsupportedError(
        "second derivatives of a warp, and forward mode through a graph, must be recorded on tapes",
        "a request while these are stopped, as by a tf.autodiff.ForwardAccumulator around a tf.function",
        "Use nested tf.GradientTapes, or forward mode eagerly.",
    )


# -- operations ------------------------------------------------------------------------------------


def _native(images: Array, problem: Warp) -> tuple[Tessellation, Image, tuple[int, ...], float]:
    """The problem as libcpab takes it, with x first."""
    (tessellation, time), size, mode, padding, align_corners = problem
    *pixels, channels = images.shape[1:]
    image = Image(tuple(pixels[::-1]), channels, True, padding, mode, align_corners)  # type: ignore[arg-type]
    return tessellation, image, tuple(size)[::-1], time


def _move(images: Array, velocity: Array, *problem: Any, **options: Any) -> Array:
    return arrays.warp(images, velocity, *_native(images, Warp(*problem)), **options)


def _pull_back(images: Array, velocity: Array, grad_out: Array, *problem: Any, **options: Any) -> Any:
    return arrays.warp_vjp(images, velocity, grad_out, *_native(images, Warp(*problem)), **options)


def _warped(inputs: tuple[tf.Tensor, ...], problem: Warp) -> list[tuple[int | None, ...]]:
    images = inputs[0]
    return [(images.shape[0], *problem.output_size, images.shape[-1])]


def _gradients(inputs: tuple[tf.Tensor, ...], _: Warp) -> list[tf.TensorShape]:
    return [inputs[0].shape, inputs[1].shape]


_WARP = Operation("CpabxWarp", Warp, compute=_move, shapes=_warped, gradient=_warp_gradient)
_WARP_VJP = Operation("CpabxWarpVjp", Warp, compute=_pull_back, shapes=_gradients, gradient=_vjp_gradient)
