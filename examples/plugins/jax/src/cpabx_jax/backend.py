"""JAX behind cpabx's array operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from cpabx import Tessellation
from cpabx.backend import Backend
from cpabx.errors import DtypeError
from cpabx.sampling import Sampling
from cpabx_jax import draws, ops
from cpabx_jax import images as images_
from cpabx_jax.sampler import interpolate, take_pixels


class JaxBackend(Backend):
    """JAX's arrays and tracers; images are (N, H, W, C)."""

    name: ClassVar[str] = "jax"
    api_version: ClassVar[int] = 1
    supports: ClassVar[frozenset[str]] = frozenset({"autograd", "double_backward", "random_state"})
    channels_last: ClassVar[bool] = True

    @property
    def framework_version(self) -> str:
        return f"jax {jax.__version__}"

    # -- tensors ---------------------------------------------------------------------------------

    def asarray(self, values: Any, *, dtype: str | None = None, like: Array | None = None) -> Array:
        chosen = dtype or (None if like is None else like.dtype)
        _check_64_bits(chosen)
        if isinstance(values, Array):
            return values if chosen is None else values.astype(chosen)
        return jnp.array(np.asarray(values, chosen))

    def to_numpy(self, tensor: Array) -> np.ndarray[Any, Any]:
        return np.asarray(tensor)

    def known_values(self, tensor: Array) -> np.ndarray[Any, Any] | None:
        return self.to_numpy(tensor) if self.device(tensor) == "cpu" else None

    def dtype(self, tensor: Array) -> str:
        return str(tensor.dtype)

    def device(self, tensor: Array) -> str | None:
        if isinstance(tensor, jax.core.Tracer):
            return None
        return " and ".join(sorted("cpu" if d.platform == "cpu" else str(d).lower() for d in tensor.devices()))

    def shape(self, tensor: Array) -> tuple[int | None, ...]:
        return tuple(tensor.shape)

    def to_device(self, tensor: Array, device: Any) -> Array:
        return draws.on_device(tensor, device)

    def tracing(self) -> bool:
        return draws.tracing()

    # -- random numbers --------------------------------------------------------------------------

    def generator(self, seed: int) -> Array:
        return jax.random.key(seed)

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> Array:
        _check_64_bits(dtype)
        return self.to_device(draws.normal(shape, generator, dtype), device)

    # -- operations ------------------------------------------------------------------------------

    def reshape(self, tensor: Array, shape: Sequence[int]) -> Array:
        return jnp.reshape(tensor, tuple(shape))

    def concat(self, tensors: Sequence[Array], axis: int) -> Array:
        return jnp.concatenate(tensors, axis)

    def take(self, tensor: Array, index: np.ndarray[Any, Any], axis: int) -> Array:
        return jnp.take(tensor, index, axis)

    def matmul(self, a: Array, b: Array) -> Array:
        return jnp.matmul(a, b, precision="highest")

    def matrix_transpose(self, a: Array) -> Array:
        return jnp.swapaxes(a, -1, -2)

    def sum(self, tensor: Array, axis: int) -> Array:
        return jnp.sum(tensor, axis)

    def max(self, tensor: Array, axis: int) -> Array:
        return jnp.max(tensor, axis)

    def log(self, tensor: Array) -> Array:
        return jnp.log(tensor)

    def where(self, condition: Array, a: Array, b: Array) -> Array:
        return jnp.where(condition, a, b)

    def expm(self, matrices: Array) -> Array:
        return jax.scipy.linalg.expm(matrices)

    # -- what the library is for -----------------------------------------------------------------

    def cpab(self, points: Array, velocity: Array, tessellation: Tessellation, time: float) -> Array:
        return ops.transform(ops.Flow(tessellation, time), _paired(points, velocity), velocity)

    def cpab_velocity(self, points: Array, velocity: Array, tessellation: Tessellation) -> Array:
        return ops.velocity_at(tessellation, _paired(points, velocity), velocity)

    def cpab_jvp(
        self,
        points: Array,
        velocity: Array,
        tangent_points: Array | None,
        tangent_velocity: Array | None,
        tessellation: Tessellation,
        time: float,
    ) -> Array:
        u = jnp.zeros_like(points) if tangent_points is None else tangent_points
        w = jnp.zeros_like(velocity) if tangent_velocity is None else tangent_velocity
        flow = ops.Flow(tessellation, time)
        return ops.transform_jvp(flow, _paired(points, velocity), velocity, _paired(u, velocity), w)

    def cpab_jacobian(
        self, points: Array, velocity: Array, tessellation: Tessellation, time: float
    ) -> tuple[Array, Array]:
        matrices, log_det = ops.jacobian(ops.Flow(tessellation, time), _paired(points, velocity), velocity)
        return matrices, log_det

    def sample(self, images: Array, grid: Array, sampling: Sampling) -> Array:
        points = grid.reshape(grid.shape[0], math.prod(grid.shape[1:-1]), grid.shape[-1])
        return images_.sample(sampling, images, points).reshape(*grid.shape[:-1], images.shape[-1])

    def sample_series(self, series: Array, places: Array, lengths: Array, sampling: Sampling) -> Array:
        return interpolate(sampling, series, places, lengths)

    def take_pixels(self, images: Array, places: Array, fill: Array) -> Array:
        return take_pixels(images, places, fill)

    def cpab_warp(
        self,
        images: Array,
        velocity: Array,
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> Array:
        return images_.warp(images_.Warp(tessellation, time, tuple(output_size), sampling), images, velocity)

    def vjp(self, function: Callable[..., Any], arguments: Sequence[Array], cotangent: Array) -> tuple[Array, ...]:
        _, pull_back = jax.vjp(function, *arguments)
        return tuple(pull_back(cotangent))


def _paired(points: Array, velocity: Array) -> Array:
    """Points (N, P, n), repeated where all fields share them: JAX adds up their gradients."""
    return jnp.broadcast_to(points, (velocity.shape[0], *points.shape[1:]))


def _check_64_bits(dtype: Any) -> None:
    if dtype == "float64" and not jax.config.jax_enable_x64:  # JAX would make it float32
        raise DtypeError(
            "float64 needs JAX's 64-bit mode",
            "a request for float64 without it",
            "Call jax.config.update('jax_enable_x64', True) at the start of the program, or use float32.",
        )
