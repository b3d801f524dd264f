"""Sampling of images, and the transform and sampling in one pass, as functions that JAX differentiates.

Results and first derivatives are libcpab's; second derivatives go through the points, and :mod:`cpabx_jax.sampler`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
from jax import Array

import cpabx
from cpabx import Tessellation
from cpabx.native import functions
from cpabx.sampling import Sampling, pixel_grid
from cpabx_jax.autodiff import with_gradient
from cpabx_jax.call import call
from cpabx_jax.sampler import interpolate


def _gradient_of_vjp(function: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    """The gradient of the vector-Jacobian product of a function of a problem and two arrays."""

    def gradient(problem: Any, a: Array, b: Array, g: Array, cotangents: tuple[Array, ...]) -> tuple[Array, ...]:
        def gradients(a: Array, b: Array, g: Array) -> tuple[Array, ...]:
            return tuple(jax.vjp(lambda a, b: function(problem, a, b), a, b)[1](g))

        return tuple(jax.vjp(gradients, a, b, g)[1](tuple(cotangents)))

    return gradient


@with_gradient(_gradient_of_vjp(interpolate))
def sample_vjp(sampling: Sampling, images: Array, points: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of images and points."""
    return call(functions.sample_vjp, (sampling,), images, points, g)


@with_gradient(sample_vjp)
def sample(sampling: Sampling, images: Array, points: Array) -> Array:
    """Images (N, *size, C) at points (N, P, n): (N, P, C)."""
    return call(functions.sample, (sampling,), images, points)[0]


class Warp(NamedTuple):
    """A tessellation, the time, the size of the result as an array's axes have it, and how images are sampled."""

    tessellation: Tessellation
    time: float
    output_size: tuple[int, ...]
    sampling: Sampling


def _in_two_passes(problem: Warp, images: Array, velocity: Array) -> Array:
    """Transform, then sample: what can be differentiated twice."""
    backend = cpabx.get_backend("jax")
    grid = pixel_grid(problem.output_size, problem.sampling.align_corners, problem.tessellation.domain)
    points = grid.tensor(backend, like=velocity)
    moved = backend.cpab(points, velocity, problem.tessellation, problem.time)
    return backend.sample(images, grid.places(backend, moved), problem.sampling)


@with_gradient(_gradient_of_vjp(_in_two_passes))
def warp_vjp(problem: Warp, images: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of images and velocities."""
    return call(functions.warp_vjp, problem, images, velocity, g)


@with_gradient(warp_vjp)
def warp(problem: Warp, images: Array, velocity: Array) -> Array:
    """Images (N, *size, C) by the flows of velocities (N, V, n): (N, *output size, C)."""
    return call(functions.warp, problem, images, velocity)[0]
