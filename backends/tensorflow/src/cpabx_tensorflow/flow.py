"""CPAB transformations and their derivatives as functions that TensorFlow differentiates.

The gradient of ``transform`` is ``transform_vjp``, and the gradient of that is made of ``transform_jvp`` and
``transform_vjp_jvp``. What comes after is an error, not a wrong number.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from cpabx.errors import UnsupportedError
from cpabx.native import functions
from cpabx.tessellation import Tessellation
from cpabx_tensorflow.differentiation import Call, Differentiable
from cpabx_tensorflow.problem import Field, Flow


def transform(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tf.Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""
    return _TRANSFORM((points, velocity), Flow(tessellation, time))


def transform_vjp(
    points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of points (1 or N, P, n), added up where they are shared, and of the velocities (N, V, n)."""
    # Shared points are added up in there because a graph may not know yet whether they are.
    return tuple(_TRANSFORM_VJP((points, velocity, grad_out), Flow(tessellation, time)))


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
    return _TRANSFORM_JVP((points, velocity, tangent_points, tangent_velocity), Flow(tessellation, time))


def transform_vjp_jvp(
    points: tf.Tensor,
    velocity: tf.Tensor,
    grad_out: tf.Tensor,
    tangent_points: tf.Tensor,
    tangent_velocity: tf.Tensor,
    tessellation: Tessellation,
    time: float,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Derivatives of both gradients of :func:`transform_vjp` along tangents."""
    inputs = (points, velocity, grad_out, tangent_points, tangent_velocity)
    return tuple(_TRANSFORM_VJP_JVP(inputs, Flow(tessellation, time)))


def velocity(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation) -> tf.Tensor:
    """Velocities at points: (N, P, n)."""
    return _VELOCITY((points, velocity), Field(tessellation))


def jacobian(
    points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    return tuple(_JACOBIAN((points, velocity), Flow(tessellation, time)))


# -- gradients -------------------------------------------------------------------------------------


def _transform_gradient(call: Call, grad_out: tf.Tensor) -> Any:
    points, velocity = call.inputs
    return transform_vjp(points, velocity, grad_out, *call.problem)


def _vjp_gradient(call: Call, u: tf.Tensor, w: tf.Tensor) -> Any:
    """The gradient of J^T g along (u, w): <J^T g, u> = <g, J u>, and second derivatives are symmetric."""
    points, velocity, grad_out = call.inputs
    by_both = transform_vjp_jvp(points, velocity, grad_out, u, w, *call.problem)
    return *by_both, transform_jvp(points, velocity, u, w, *call.problem)


def _jvp_gradient(call: Call, grad_out: tf.Tensor) -> Any:
    points, velocity, u, w = call.inputs
    by_both = transform_vjp_jvp(points, velocity, grad_out, u, w, *call.problem)
    return *by_both, *transform_vjp(points, velocity, grad_out, *call.problem)


def _velocity_gradient(call: Call, grad_out: tf.Tensor) -> Any:
    """Near the field of zeros phi(x; e v) = x + e v(x), as in cpabx.native.arrays.velocity_vjp."""
    (points, velocity), (tessellation,) = call
    zeros, still = tf.zeros_like(velocity), tf.zeros_like(points)
    by_points, _ = transform_vjp_jvp(points, zeros, grad_out, still, velocity, tessellation, 1.0)
    _, by_velocity = transform_vjp(points, zeros, grad_out, tessellation, 1.0)
    return by_points, by_velocity


def _jacobian_gradient(call: Call, grad_jacobian: tf.Tensor, grad_log_det: tf.Tensor) -> Any:
    """The cotangent of a result that nobody used is zeros, which costs nothing."""
    return _JACOBIAN_VJP((*call.inputs, grad_jacobian, grad_log_det), call.problem)


def _refuse(*_: Any) -> Any:
    raise UnsupportedError(
        "CPAB transformations have derivatives up to the second, and their velocity and Jacobian up to the first",
        "a request for one more (nested tapes, or tf.autodiff.ForwardAccumulator)",
        "Differentiate less often, or take differences.",
    )


_TRANSFORM = Differentiable(functions.transform, _transform_gradient)
_TRANSFORM_VJP = Differentiable(functions.transform_vjp, _vjp_gradient)
_TRANSFORM_JVP = Differentiable(functions.transform_jvp, _jvp_gradient)
_TRANSFORM_VJP_JVP = Differentiable(functions.transform_vjp_jvp, _refuse)
_VELOCITY = Differentiable(functions.velocity, _velocity_gradient)
_JACOBIAN = Differentiable(functions.jacobian, _jacobian_gradient)
_JACOBIAN_VJP = Differentiable(functions.jacobian_vjp, _refuse)
