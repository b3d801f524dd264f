"""The fused form of transforming and sampling, as TensorFlow differentiates it.

The gradient is fused as well. Second derivatives and forward mode go through the points instead: the transform
of :mod:`cpabx_tensorflow.flow`, then :mod:`cpabx_tensorflow.sampling`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import forwardprop_util  # there is no public way; the wheel pins TensorFlow's minor

from cpabx.errors import UnsupportedError
from cpabx.native import functions
from cpabx.sampling.grid import pixel_grid
from cpabx.sampling.options import Sampling
from cpabx.tessellation import Tessellation
from cpabx_tensorflow import flow
from cpabx_tensorflow.differentiation import Call, Differentiable
from cpabx_tensorflow.problem import Warp
from cpabx_tensorflow.sampling import interpolate


def warp(
    images: tf.Tensor,
    velocity: tf.Tensor,
    tessellation: Tessellation,
    time: float,
    output_size: Sequence[int],
    sampling: Sampling,
) -> tf.Tensor:
    """Images (N, *size, C) by the flows of velocities (N, V, n): (N, *output_size, C)."""
    problem = Warp(tessellation, time, tuple(output_size), sampling)
    if forwardprop_util.pack_tangents([images, velocity]).tangents:
        return _through_points(images, velocity, *problem)
    return _WARP((images, velocity), problem)


def _through_points(
    images: tf.Tensor,
    velocity: tf.Tensor,
    tessellation: Tessellation,
    time: float,
    size: tuple[int, ...],
    sampling: Sampling,
) -> tf.Tensor:
    grid = pixel_grid(size, sampling.align_corners, tessellation.domain)
    centre, scale = (tf.constant(values, velocity.dtype) for values in grid.to_unit)
    moved = flow.transform(tf.constant(grid.points[None], velocity.dtype), velocity, tessellation, time)
    places = tf.reshape((moved - centre) * scale, (-1, *size, len(size)))
    return interpolate(images, places, sampling)


def _warp_gradient(call: Call, grad_out: tf.Tensor) -> Any:
    return _WARP_VJP((*call.inputs, grad_out), call.problem)


def _vjp_gradient(call: Call, *cotangents: tf.Tensor) -> Any:
    images, velocity, grad_out = call.inputs
    with tf.GradientTape() as outer:
        outer.watch([images, velocity, grad_out])
        with tf.GradientTape() as inner:
            inner.watch([images, velocity])
            warped = _through_points(images, velocity, *call.problem)
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


_WARP = Differentiable(functions.warp, _warp_gradient)
_WARP_VJP = Differentiable(functions.warp_vjp, _vjp_gradient)
