"""CPAB transformations and their derivatives as functions that TensorFlow differentiates.

The gradient of ``transform`` is ``transform_vjp``, and the gradient of that is made of ``transform_jvp`` and
``transform_vjp_jvp``. What comes after is an error, not a wrong number.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from cpabx.errors import UnsupportedError
from cpabx.native import arrays
from cpabx.tessellation import Tessellation
from cpabx_tensorflow.operation import Call, Operation
from cpabx_tensorflow.problem import Flow

Array = np.ndarray[Any, Any]


def transform(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tf.Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""
    return _TRANSFORM((points, velocity), Flow(tessellation, time))[0]


def transform_vjp(
    points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, ...]:
    """Gradients of points (1 or N, P, n), added up where they are shared, and of the velocities (N, V, n)."""
    # Shared points are added up in there because a graph may not know yet whether they are.
    return _TRANSFORM_VJP((points, velocity, grad_out), Flow(tessellation, time))


def transform_jvp(
    points: tf.Tensor,
    velocity: tf.Tensor,
    tangent_points: tf.Tensor | None,
    tangent_velocity: tf.Tensor | None,
    tessellation: Tessellation,
    time: float,
) -> tf.Tensor:
    """The derivative of the result along tangents in the shapes of points and velocity: (N, P, n)."""
    tangent_points = tf.zeros_like(points) if tangent_points is None else tangent_points
    tangent_velocity = tf.zeros_like(velocity) if tangent_velocity is None else tangent_velocity
    inputs = (points, velocity, tangent_points, tangent_velocity)
    return _TRANSFORM_JVP(inputs, Flow(tessellation, time))[0]


def transform_vjp_jvp(
    points: tf.Tensor,
    velocity: tf.Tensor,
    grad_out: tf.Tensor,
    tangent_points: tf.Tensor,
    tangent_velocity: tf.Tensor,
    tessellation: Tessellation,
    time: float,
) -> tuple[tf.Tensor, ...]:
    """Derivatives of both gradients of :func:`transform_vjp` along tangents."""
    inputs = (points, velocity, grad_out, tangent_points, tangent_velocity)
    return _TRANSFORM_VJP_JVP(inputs, Flow(tessellation, time))


def velocity(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation) -> tf.Tensor:
    """Velocities at points: (N, P, n)."""
    return _VELOCITY((points, velocity), Flow(tessellation, 1.0))[0]


def jacobian(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tuple[tf.Tensor, ...]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    return _JACOBIAN((points, velocity), Flow(tessellation, time))


# -- gradients -------------------------------------------------------------------------------------


def _transform_gradient(call: Call[Flow], grad_out: tf.Tensor) -> Any:
    points, velocity = call.inputs
    return transform_vjp(points, velocity, grad_out, *call.problem)


def _vjp_gradient(call: Call[Flow], u: tf.Tensor, w: tf.Tensor) -> Any:
    """The gradient of J^T g along (u, w): <J^T g, u> = <g, J u>, and second derivatives are symmetric."""
    points, velocity, grad_out = call.inputs
    by_both = transform_vjp_jvp(points, velocity, grad_out, u, w, *call.problem)
    return *by_both, transform_jvp(points, velocity, u, w, *call.problem)


def _jvp_gradient(call: Call[Flow], grad_out: tf.Tensor) -> Any:
    points, velocity, u, w = call.inputs
    by_both = transform_vjp_jvp(points, velocity, grad_out, u, w, *call.problem)
    return *by_both, *transform_vjp(points, velocity, grad_out, *call.problem)


def _velocity_gradient(call: Call[Flow], grad_out: tf.Tensor) -> Any:
    """Near the field of zeros phi(x; e v) = x + e v(x), as in cpabx.native.arrays.velocity_vjp."""
    points, velocity = call.inputs
    zeros, still = tf.zeros_like(velocity), tf.zeros_like(points)
    by_points, _ = transform_vjp_jvp(points, zeros, grad_out, still, velocity, *call.problem)
    _, by_velocity = transform_vjp(points, zeros, grad_out, *call.problem)
    return by_points, by_velocity


def _jacobian_gradient(call: Call[Flow], grad_matrices: tf.Tensor, grad_log_det: tf.Tensor) -> Any:
    """The cotangent of a result that nobody used is zeros, which costs nothing."""
    return _JACOBIAN_VJP((*call.inputs, grad_matrices, grad_log_det), call.problem)


def _refuse(*_: Any) -> Any:
    raise UnsupportedError(
        "CPAB transformations have derivatives up to the second, and their velocity and Jacobian up to the first",
        "a request for one more (nested tapes, or tf.autodiff.ForwardAccumulator)",
        "Differentiate less often, or take differences.",
    )


# -- operations ------------------------------------------------------------------------------------


def _cloud(inputs: tuple[tf.Tensor, ...], _: Flow) -> list[tuple[int | None, ...]]:
    """One result per item and point."""
    points, velocity = inputs[:2]
    return [(velocity.shape[0], *points.shape[1:])]


def _each_derivative(inputs: tuple[tf.Tensor, ...], flow: Flow) -> list[tuple[int | None, ...]]:
    (cloud,) = _cloud(inputs, flow)
    return [(*cloud, cloud[-1]), cloud[:-1]]


def _gradients(inputs: tuple[tf.Tensor, ...], _: Flow) -> list[tf.TensorShape]:
    return [inputs[0].shape, inputs[1].shape]


def _look_up(points: Array, velocity: Array, tessellation: Tessellation, _: float, **options: Any) -> Array:
    return arrays.velocity(points, velocity, tessellation, **options)


def _jacobian_vjp(
    points: Array, velocity: Array, grad_matrices: Array, grad_log_det: Array, *flow: Any, **options: Any
) -> tuple[Array, Array]:
    return arrays.jacobian_vjp(points, velocity, grad_matrices, *flow, grad_log_det=grad_log_det, **options)


_TRANSFORM = Operation("CpabxTransform", Flow, compute=arrays.transform, shapes=_cloud, gradient=_transform_gradient)
_TRANSFORM_VJP = Operation(
    "CpabxTransformVjp", Flow, compute=arrays.transform_vjp, shapes=_gradients, gradient=_vjp_gradient
)
_TRANSFORM_JVP = Operation(
    "CpabxTransformJvp", Flow, compute=arrays.transform_jvp, shapes=_cloud, gradient=_jvp_gradient
)
_TRANSFORM_VJP_JVP = Operation(
    "CpabxTransformVjpJvp", Flow, compute=arrays.transform_vjp_jvp, shapes=_gradients, gradient=_refuse
)
_VELOCITY = Operation("CpabxVelocity", Flow, compute=_look_up, shapes=_cloud, gradient=_velocity_gradient)
_JACOBIAN = Operation(
    "CpabxJacobian", Flow, compute=arrays.jacobian, shapes=_each_derivative, gradient=_jacobian_gradient
)
_JACOBIAN_VJP = Operation("CpabxJacobianVjp", Flow, compute=_jacobian_vjp, shapes=_gradients, gradient=_refuse)
