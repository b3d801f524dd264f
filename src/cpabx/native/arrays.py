r"""The functions of :mod:`cpabx.native.functions` on numpy arrays, for backends whose tensors can be seen as such.

Points are (1 or N, P, n), velocities at vertices (N, V, n), images (N, \*size, C), and all arrays of one float type.
Gradients of points that a batch shares are added up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from cpabx.native import functions
from cpabx.native.memory import HOST

if TYPE_CHECKING:
    from cpabx.tessellation import Tessellation

Array = np.ndarray[Any, Any]
One = Callable[..., Array]
Two = Callable[..., tuple[Array, Array]]

transform: One = partial(functions.transform, HOST)
transform_vjp: Two = partial(functions.transform_vjp, HOST)
transform_jvp: One = partial(functions.transform_jvp, HOST)
transform_vjp_jvp: Two = partial(functions.transform_vjp_jvp, HOST)
velocity: One = partial(functions.velocity, HOST)
jacobian: Two = partial(functions.jacobian, HOST)
sample: One = partial(functions.sample, HOST)
sample_vjp: Two = partial(functions.sample_vjp, HOST)
warp: One = partial(functions.warp, HOST)
warp_vjp: Two = partial(functions.warp_vjp, HOST)


def velocity_vjp(
    points: Array, velocity: Array, grad_out: Array, tessellation: Tessellation, **options: Any
) -> tuple[Array, Array]:
    """Gradients of sum(grad_out * v(points)), as :data:`transform_vjp` gives them.

    Near the field of zeros phi(x; e v) = x + e v(x). So the gradient of the velocities is that of a
    transformation by zeros, and that of the points what changes there in the direction v.
    """
    zeros = np.zeros_like(velocity)
    _, grad_velocity = transform_vjp(points, zeros, grad_out, tessellation, 1.0, **options)
    grad_points, _ = transform_vjp_jvp(points, zeros, grad_out, None, velocity, tessellation, 1.0, **options)
    return grad_points, grad_velocity


def jacobian_vjp(
    points: Array,
    velocity: Array,
    grad_jacobian: Array | None,
    grad_log_det: Array | None,
    tessellation: Tessellation,
    time: float,
    **options: Any,
) -> tuple[Array, Array]:
    """Gradients of sum(grad_jacobian * jacobian) + sum(grad_log_det * log_det), without an inverse.

    A cotangent of zeros, or None, costs nothing: frameworks pass zeros for a result that nobody used.
    """
    cotangents = (grad if grad is not None and grad.any() else None for grad in (grad_jacobian, grad_log_det))
    gradients: tuple[Array, Array] = functions.jacobian_vjp(
        HOST, points, velocity, *cotangents, tessellation, time, **options
    )
    return gradients
