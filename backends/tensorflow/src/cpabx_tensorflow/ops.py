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
from cpabx_tensorflow.host import on_host, threads

Array = np.ndarray[Any, Any]


def transform(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tf.Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n)."""

    def move(points: Array, velocity: Array) -> Array:
        return arrays.transform(points, velocity, tessellation, time, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor) -> Any:
        def grad(grad_out: tf.Tensor) -> Any:
            return transform_vjp(points, velocity, grad_out, tessellation, time)

        (moved,) = on_host(move, (points, velocity), [_cloud(points, velocity)])
        return moved, grad

    return differentiable(points, velocity)


def transform_vjp(
    points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Gradients of points (1 or N, P, n), added up where they are shared, and of the velocities (N, V, n).

    This is J^T g. For cotangents u, the gradient of <J^T g, u> = <g, J u> is J u for g, and for the others
    what J^T g changes by in the direction u, second derivatives being symmetric; u is (u, w) here.
    """

    # Sums over shared points are taken in there because a graph may not know yet whether they are.
    def pull_back(points: Array, velocity: Array, grad_out: Array) -> tuple[Array, Array]:
        return arrays.transform_vjp(points, velocity, grad_out, tessellation, time, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor, grad_out: tf.Tensor) -> Any:
        def grad(u: tf.Tensor, w: tf.Tensor) -> Any:
            grads = transform_vjp_jvp(points, velocity, grad_out, u, w, tessellation, time)
            return *grads, transform_jvp(points, velocity, u, w, tessellation, time)

        grads = on_host(pull_back, (points, velocity, grad_out), [points.shape, velocity.shape])
        return tuple(grads), grad

    return differentiable(points, velocity, grad_out)  # type: ignore[no-any-return]


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

    def push(points: Array, velocity: Array, u: Array, w: Array) -> Array:
        return arrays.transform_jvp(points, velocity, u, w, tessellation, time, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor, u: tf.Tensor, w: tf.Tensor) -> Any:
        def grad(grad_out: tf.Tensor) -> Any:
            second = transform_vjp_jvp(points, velocity, grad_out, u, w, tessellation, time)
            return *second, *transform_vjp(points, velocity, grad_out, tessellation, time)

        (tangent,) = on_host(push, (points, velocity, u, w), [_cloud(points, velocity)])
        return tangent, grad

    return differentiable(points, velocity, tangent_points, tangent_velocity)


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

    def pull_back(points: Array, velocity: Array, grad_out: Array, u: Array, w: Array) -> tuple[Array, Array]:
        return arrays.transform_vjp_jvp(points, velocity, grad_out, u, w, tessellation, time, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def once(*values: tf.Tensor) -> Any:
        return tuple(on_host(pull_back, values, [points.shape, velocity.shape])), _refuse

    return once(points, velocity, grad_out, tangent_points, tangent_velocity)  # type: ignore[no-any-return]


def velocity(points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation) -> tf.Tensor:
    """Velocities at points: (N, P, n)."""

    def look_up(points: Array, velocity: Array) -> Array:
        return arrays.velocity(points, velocity, tessellation, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor) -> Any:
        def grad(grad_out: tf.Tensor) -> Any:
            # Near the field of zeros phi(x; e v) = x + e v(x), as in cpabx.native.arrays.velocity_vjp.
            zeros, still = tf.zeros_like(velocity), tf.zeros_like(points)
            by_points, _ = transform_vjp_jvp(points, zeros, grad_out, still, velocity, tessellation, 1.0)
            _, by_velocity = transform_vjp(points, zeros, grad_out, tessellation, 1.0)
            return by_points, by_velocity

        (at_points,) = on_host(look_up, (points, velocity), [_cloud(points, velocity)])
        return at_points, grad

    return differentiable(points, velocity)


def jacobian(
    points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""

    def measure(points: Array, velocity: Array) -> tuple[Array, Array]:
        return arrays.jacobian(points, velocity, tessellation, time, **threads())

    def pull_back(points: Array, velocity: Array, grad: Array) -> tuple[Array, Array]:
        return arrays.jacobian_vjp(points, velocity, grad, tessellation, time, **threads())

    @tf.custom_gradient  # type: ignore[misc]
    def once(points: tf.Tensor, velocity: tf.Tensor, grad: tf.Tensor) -> Any:
        return tuple(on_host(pull_back, (points, velocity, grad), [points.shape, velocity.shape])), _refuse

    @tf.custom_gradient  # type: ignore[misc]
    def differentiable(points: tf.Tensor, velocity: tf.Tensor) -> Any:
        cloud = _cloud(points, velocity)
        matrices, log_det = on_host(measure, (points, velocity), [(*cloud, cloud[-1]), cloud[:-1]])

        def grad(grad_matrices: tf.Tensor, grad_log_det: tf.Tensor) -> Any:
            inverse = tf.linalg.inv(matrices)  # d log det J = tr(J^-1 dJ)
            by_log_det = grad_log_det[..., None, None] * tf.linalg.matrix_transpose(inverse)
            return once(points, velocity, grad_matrices + by_log_det)

        return (matrices, log_det), grad

    return differentiable(points, velocity)  # type: ignore[no-any-return]


def _refuse(*_: Any) -> Any:
    raise UnsupportedError(
        "CPAB transformations have derivatives up to the second, and their velocity and Jacobian up to the first",
        "a request for one more (nested tapes, or tf.autodiff.ForwardAccumulator)",
        "Differentiate less often, or take differences.",
    )


def _cloud(points: tf.Tensor, velocity: tf.Tensor) -> tuple[int | None, ...]:
    """The shape of results per item and point, as far as it is known."""
    return (velocity.shape[0], *points.shape[1:])
