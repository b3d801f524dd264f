"""CPAB transformations and their derivatives as functions that JAX differentiates, in reverse mode.

Points are (N, P, n) and velocities at the vertices (N, V, n). The gradient of ``transform`` is ``transform_vjp``,
and the gradient of that is made of ``transform_jvp`` and ``transform_vjp_jvp``. What comes after is an error.
"""

from __future__ import annotations

from typing import NamedTuple

from jax import Array

from cpabx import Tessellation
from cpabx.native import arrays
from cpabx_jax.autodiff import refuse, with_gradient
from cpabx_jax.host import on_host


class Flow(NamedTuple):
    """Where the field may bend, and how long it is followed."""

    tessellation: Tessellation
    time: float


@with_gradient(refuse)
def transform_vjp_jvp(flow: Flow, points: Array, velocity: Array, g: Array, u: Array, w: Array) -> tuple[Array, ...]:
    """Derivatives of J^T g along tangents u of the points and w of the velocities."""
    return on_host(
        lambda p, v, g, u, w: arrays.transform_vjp_jvp(p, v, g, u, w, *flow),
        [points.shape, velocity.shape],
        *(points, velocity, g, u, w),
    )


def _gradient_of_vjp(
    flow: Flow, points: Array, velocity: Array, g: Array, along: tuple[Array, Array]
) -> tuple[Array, ...]:
    """The gradient of <J^T g, along>: second derivatives are symmetric, and g is linear in it."""
    second = transform_vjp_jvp(flow, points, velocity, g, *along)
    return *second, transform_jvp(flow, points, velocity, *along)


@with_gradient(_gradient_of_vjp)
def transform_vjp(flow: Flow, points: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """J^T g: gradients of points and velocities."""
    return on_host(
        lambda p, v, g: arrays.transform_vjp(p, v, g, *flow), [points.shape, velocity.shape], points, velocity, g
    )


def _gradient_of_jvp(flow: Flow, points: Array, velocity: Array, u: Array, w: Array, g: Array) -> tuple[Array, ...]:
    second = transform_vjp_jvp(flow, points, velocity, g, u, w)
    return *second, *transform_vjp(flow, points, velocity, g)


@with_gradient(_gradient_of_jvp)
def transform_jvp(flow: Flow, points: Array, velocity: Array, u: Array, w: Array) -> Array:
    """J (u, w): the derivative of the result along tangents of points and velocities."""
    return on_host(
        lambda p, v, u, w: (arrays.transform_jvp(p, v, u, w, *flow),), [points.shape], points, velocity, u, w
    )[0]


@with_gradient(transform_vjp)
def transform(flow: Flow, points: Array, velocity: Array) -> Array:
    """Points moved along the flow."""
    return on_host(lambda p, v: (arrays.transform(p, v, *flow),), [points.shape], points, velocity)[0]


@with_gradient(refuse)
def velocity_vjp(tessellation: Tessellation, points: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of points and velocities."""
    return on_host(
        lambda p, v, g: arrays.velocity_vjp(p, v, g, tessellation), [points.shape, velocity.shape], points, velocity, g
    )


@with_gradient(velocity_vjp)
def velocity_at(tessellation: Tessellation, points: Array, velocity: Array) -> Array:
    """Velocities at points."""
    return on_host(lambda p, v: (arrays.velocity(p, v, tessellation),), [points.shape], points, velocity)[0]


@with_gradient(refuse)
def jacobian_vjp(flow: Flow, points: Array, velocity: Array, grads: tuple[Array, Array]) -> tuple[Array, ...]:
    """Gradients of sum(grads[0] * Jacobian) + sum(grads[1] * log |det|). Zeros, which JAX passes for a result that
    nobody used, cost nothing.
    """
    return on_host(
        lambda p, v, g, h: arrays.jacobian_vjp(p, v, g, h, *flow),
        [points.shape, velocity.shape],
        *(points, velocity, *grads),
    )


@with_gradient(jacobian_vjp)
def jacobian(flow: Flow, points: Array, velocity: Array) -> tuple[Array, ...]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    shapes = [(*points.shape, points.shape[-1]), points.shape[:-1]]
    return on_host(lambda p, v: arrays.jacobian(p, v, *flow), shapes, points, velocity)
