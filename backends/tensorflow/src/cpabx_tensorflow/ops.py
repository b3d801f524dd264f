"""The native transform and its vector-Jacobian product as functions that TensorFlow differentiates.

Eagerly they are called on the tensors' memory; a graph calls them back through ``tf.numpy_function``,
which runs on the host. The gradient of the first is the second; the second has none: differentiating
twice is an error, not a wrong number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cpabx import native
from cpabx.errors import UnsupportedError
from cpabx.tessellation import Tessellation

Array = np.ndarray[Any, Any]


def transform(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tf.Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""

    def move(points: Array, velocity: Array) -> Array:
        out = np.empty((len(velocity), *points.shape[1:]), points.dtype)
        native.transform(
            tessellation,
            **_arguments(points, velocity),
            velocity=velocity.ctypes.data,
            points=points.ctypes.data,
            out=out.ctypes.data,
            time=time,
        )
        return out

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor) -> Any:
        def grad(grad_out: tf.Tensor) -> Any:
            return transform_vjp(points, velocity, grad_out, tessellation, time)

        (moved,) = _on_host(move, (points, velocity), [(velocity.shape[0], *points.shape[1:])])
        return moved, grad

    return differentiable(points, velocity)


def transform_vjp(
    points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of points (1 or N, P, n), added up where they are shared, and of the velocities (N, V, n)."""

    def pull_back(points: Array, velocity: Array, grad_out: Array) -> tuple[Array, Array]:
        grad_points, grad_velocity = np.empty_like(grad_out), np.empty_like(velocity)
        native.transform_vjp(
            tessellation,
            **_arguments(points, velocity),
            velocity=velocity.ctypes.data,
            points=points.ctypes.data,
            grad_out=grad_out.ctypes.data,
            grad_velocity=grad_velocity.ctypes.data,
            grad_points=grad_points.ctypes.data,
            time=time,
        )
        # The sum is taken here because a graph may not know yet whether the points are shared.
        shared = len(points) != len(velocity)
        return grad_points.sum(0, keepdims=True) if shared else grad_points, grad_velocity

    @tf.custom_gradient  # type: ignore[misc]
    def once(points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor) -> Any:
        grads = _on_host(pull_back, (points, velocity, grad_out), [points.shape, velocity.shape])
        return tuple(grads), _refuse

    return once(points, velocity, grad_out)  # type: ignore[no-any-return]


def _refuse(*_: Any) -> Any:
    raise UnsupportedError(
        "CPAB transformations have no second derivative yet",
        "a gradient of a gradient (nested tapes, or tf.autodiff.ForwardAccumulator)",
        "Differentiate once, with one tf.GradientTape.",
    )


def _arguments(points: Array, velocity: Array) -> dict[str, Any]:
    return {
        "dtype": str(points.dtype),
        "n_batch": len(velocity),
        "n_points": points.shape[1],
        "points_batch": len(points),
        "n_threads": tf.config.threading.get_intra_op_parallelism_threads() or None,  # 0: not set
    }


def _on_host(function: Callable[..., Any], inputs: Sequence[tf.Tensor], shapes: Sequence[Any]) -> list[tf.Tensor]:
    """Outputs, of the first input's type, of a function of numpy arrays; ``shapes`` may have gaps."""
    if tf.executing_eagerly():
        results = function(*(np.asarray(memoryview(tensor)) for tensor in inputs))  # views, not copies
        with tf.device(inputs[0].device):
            return [tf.convert_to_tensor(r) for r in (results if isinstance(results, tuple) else (results,))]
    types = [inputs[0].dtype] * len(shapes)
    tensors = tf.numpy_function(function, inputs, types, stateful=False)
    return [tf.ensure_shape(tensor, shape) for tensor, shape in zip(tensors, shapes, strict=True)]
