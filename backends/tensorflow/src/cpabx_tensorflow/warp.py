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
from cpabx_tensorflow.host import on_host, threads
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
    size = tuple(output_size)

    def problem(images: Array) -> tuple[Tessellation, Image, tuple[int, ...], float]:
        *pixels, channels = images.shape[1:]
        image = Image(tuple(pixels[::-1]), channels, True, padding_mode, mode, align_corners)  # type: ignore[arg-type]
        return tessellation, image, size[::-1], time

    def move(images: Array, velocity: Array) -> Array:
        return arrays.warp(images, velocity, *problem(images), **threads())

    def pull_back(images: Array, velocity: Array, grad_out: Array) -> Any:
        return arrays.warp_vjp(images, velocity, grad_out, *problem(images), **threads())

    def through_points(images: tf.Tensor, velocity: tf.Tensor) -> tf.Tensor:
        grid = pixel_grid(size, align_corners, tessellation.domain)
        centre, scale = (tf.constant(values, velocity.dtype) for values in grid.to_unit)
        moved = ops.transform(tf.constant(grid.points[None], velocity.dtype), velocity, tessellation, time)
        places = tf.reshape((moved - centre) * scale, (-1, *size, len(size)))
        return interpolate(images, places, mode, padding_mode, align_corners)

    @tf.custom_gradient  # type: ignore[misc]
    def vjp(images: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor) -> Any:
        def grad(*cotangents: tf.Tensor) -> Any:
            with tf.GradientTape() as outer:
                outer.watch([images, velocity, grad_out])
                with tf.GradientTape() as inner:
                    inner.watch([images, velocity])
                    warped = through_points(images, velocity)
                first = inner.gradient(warped, [images, velocity], grad_out)
                if None in first:  # both count: no tape was allowed to record
                    raise _no_recording()
                first = [tf.convert_to_tensor(grad) for grad in first]
            return _gradients(outer, first, [images, velocity, grad_out], list(cotangents))

        return tuple(on_host(pull_back, (images, velocity, grad_out), [images.shape, velocity.shape])), grad

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(images: tf.Tensor, velocity: tf.Tensor) -> Any:
        (warped,) = on_host(move, (images, velocity), [(images.shape[0], *size, images.shape[-1])])
        return warped, lambda grad_out: vjp(images, velocity, grad_out)

    if forwardprop_util.pack_tangents([images, velocity]).tangents:
        return through_points(images, velocity)
    return differentiable(images, velocity)


def _no_recording() -> UnsupportedError:
    return UnsupportedError(
        "second derivatives of a warp, and forward mode through a graph, must be recorded on tapes",
        "a request while these are stopped, as by a tf.autodiff.ForwardAccumulator around a tf.function",
        "Use nested tf.GradientTapes, or forward mode eagerly.",
    )


def _gradients(tape: tf.GradientTape, target: Any, sources: list[tf.Tensor], cotangent: Any) -> list[tf.Tensor]:
    zero = tf.UnconnectedGradients.ZERO
    grads = tape.gradient(target, sources, cotangent, unconnected_gradients=zero)
    return [tf.convert_to_tensor(grad) for grad in grads]  # gather's are sparse
