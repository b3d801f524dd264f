"""CPAB transformations and their derivatives as functions that JAX differentiates, in reverse mode.

Points are (N, P, n) and velocities at the vertices (N, V, n). The gradient of ``transform`` is ``transform_vjp``,
and the gradient of that is made of ``transform_jvp`` and ``transform_vjp_jvp``. What comes after is an error.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from cpabx import Tessellation
from cpabx.native import functions
from cpabx_jax.autodiff import refuse, with_gradient
from cpabx_jax.call import call


class Flow(NamedTuple):
    """Where the field may bend, and how long it is followed."""

    tessellation: Tessellation
    time: float


@with_gradient(refuse)
def transform_vjp_jvp(flow: Flow, points: Array, velocity: Array, g: Array, u: Array, w: Array) -> tuple[Array, ...]:
    """Derivatives of J^T g along tangents u of the points and w of the velocities."""
    return call(functions.transform_vjp_jvp, flow, points, velocity, g, u, w)


def _gradient_of_vjp(
    flow: Flow, points: Array, velocity: Array, g: Array, along: tuple[Array, Array]
) -> tuple[Array, ...]:
    """The gradient of <J^T g, along>: second derivatives are symmetric, and g is linear in it."""
    second = transform_vjp_jvp(flow, points, velocity, g, *along)
    return *second, transform_jvp(flow, points, velocity, *along)


@with_gradient(_gradient_of_vjp)
def transform_vjp(flow: Flow, points: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """J^T g: gradients of points and velocities."""
    return call(functions.transform_vjp, flow, points, velocity, g)


def _gradient_of_jvp(flow: Flow, points: Array, velocity: Array, u: Array, w: Array, g: Array) -> tuple[Array, ...]:
    second = transform_vjp_jvp(flow, points, velocity, g, u, w)
    return *second, *transform_vjp(flow, points, velocity, g)


@with_gradient(_gradient_of_jvp)
def transform_jvp(flow: Flow, points: Array, velocity: Array, u: Array, w: Array) -> Array:
    """J (u, w): the derivative of the result along tangents of points and velocities."""
    return call(functions.transform_jvp, flow, points, velocity, u, w)[0]


@with_gradient(transform_vjp)
def transform(flow: Flow, points: Array, velocity: Array) -> Array:
    """Points moved along the flow."""
    return call(functions.transform, flow, points, velocity)[0]


@with_gradient(refuse)
def velocity_vjp(tessellation: Tessellation, points: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of points and velocities.

    Near the field of zeros phi(x; e v) = x + e v(x), as in :func:`cpabx.native.arrays.velocity_vjp`.
    """
    flow, zeros, still = Flow(tessellation, 1.0), jnp.zeros_like(velocity), jnp.zeros_like(points)
    grad_points, _ = call(functions.transform_vjp_jvp, flow, points, zeros, g, still, velocity)
    _, grad_velocity = call(functions.transform_vjp, flow, points, zeros, g)
    return grad_points, grad_velocity


@with_gradient(velocity_vjp)
def velocity_at(tessellation: Tessellation, points: Array, velocity: Array) -> Array:
    """Velocities at points."""
    return call(functions.velocity, (tessellation,), points, velocity)[0]


@with_gradient(refuse)
def jacobian_vjp(flow: Flow, points: Array, velocity: Array, grads: tuple[Array, Array]) -> tuple[Array, ...]:
    """Gradients of sum(grads[0] * Jacobian) + sum(grads[1] * log |det|). Zeros, which JAX passes for a result that
    nobody used, cost nothing.
    """
    return call(functions.jacobian_vjp, flow, points, velocity, *grads)


@with_gradient(jacobian_vjp)
def jacobian(flow: Flow, points: Array, velocity: Array) -> tuple[Array, ...]:
    """Derivatives of the result by the points, (N, P, n, n), and log |det| of them, (N, P)."""
    return call(functions.jacobian, flow, points, velocity)
