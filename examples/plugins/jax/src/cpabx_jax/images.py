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
from cpabx.backend import Backend
from cpabx.native import Image, arrays
from cpabx_jax.autodiff import with_gradient
from cpabx_jax.host import on_host
from cpabx_jax.sampler import interpolate


def _gradient_of_vjp(function: Callable[..., Array]) -> Callable[..., tuple[Array, ...]]:
    """The gradient of the vector-Jacobian product of a function of a problem and two arrays."""

    def gradient(problem: Any, a: Array, b: Array, g: Array, cotangents: tuple[Array, ...]) -> tuple[Array, ...]:
        def gradients(a: Array, b: Array, g: Array) -> tuple[Array, ...]:
            return tuple(jax.vjp(lambda a, b: function(problem, a, b), a, b)[1](g))

        return tuple(jax.vjp(gradients, a, b, g)[1](tuple(cotangents)))

    return gradient


@with_gradient(_gradient_of_vjp(interpolate))
def sample_vjp(image: Image, images: Array, points: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of images and points."""
    return on_host(lambda i, p, g: arrays.sample_vjp(i, p, g, image), [images.shape, points.shape], images, points, g)


@with_gradient(sample_vjp)
def sample(image: Image, images: Array, points: Array) -> Array:
    """Images (N, *size, C) at points (N, P, n): (N, P, C)."""
    shape = (*points.shape[:-1], image.channels)
    return on_host(lambda i, p: (arrays.sample(i, p, image),), [shape], images, points)[0]


class Warp(NamedTuple):
    """A tessellation, images over its domain, the size of the result as (x, (y, (z))), and the time."""

    tessellation: Tessellation
    image: Image
    output_size: tuple[int, ...]
    time: float


def _in_two_passes(problem: Warp, images: Array, velocity: Array) -> Array:
    """What a backend does that has nothing faster: transform, then sample."""
    tessellation, image, output_size, time = problem
    return Backend.cpab_warp(
        cpabx.get_backend("jax"),
        *(images, velocity, tessellation, time, output_size[::-1]),
        mode=image.mode,
        padding_mode=image.padding,
        align_corners=image.align_corners,
    )


@with_gradient(_gradient_of_vjp(_in_two_passes))
def warp_vjp(problem: Warp, images: Array, velocity: Array, g: Array) -> tuple[Array, ...]:
    """Gradients of images and velocities."""
    return on_host(
        lambda i, v, g: arrays.warp_vjp(i, v, g, *problem), [images.shape, velocity.shape], images, velocity, g
    )


@with_gradient(warp_vjp)
def warp(problem: Warp, images: Array, velocity: Array) -> Array:
    """Images (N, *size, C) by the flows of velocities (N, V, n): (N, *output size, C)."""
    shape = problem.image.results_shape(len(images), problem.output_size)
    return on_host(lambda i, v: (arrays.warp(i, v, *problem),), [shape], images, velocity)[0]
