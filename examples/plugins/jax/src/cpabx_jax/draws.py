"""Standard normal numbers by JAX's keys."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from cpabx.backend import numpy_normal
from cpabx.errors import DeviceError, OptionError


def normal(shape: Sequence[Any], key: Any, dtype: str) -> Array:
    """By a key. Without one, by the state that ``np.random.seed`` sets, which no graph can read."""
    sizes = [_size(size) for size in shape]
    if key is not None:
        return jax.random.normal(_checked_key(key), sizes, dtype)
    if tracing():
        raise OptionError(
            "random numbers that JAX traces need a key",
            "neither a key nor a seed",
            "Pass a key to the traced function, and generator=key here; seed= gives a constant.",
        )
    return jnp.asarray(numpy_normal(sizes, dtype))


def _size(size: Any) -> int:
    try:
        return operator.index(size)
    except TypeError as error:  # JAX's own of a tracer is one, too
        raise OptionError("n must be a whole number, known while tracing", str(size), "Pass a static one.") from error


def tracing() -> bool:
    """Whether what is made now becomes part of a computation, not a value."""
    return isinstance(jnp.zeros(()), jax.core.Tracer)


def on_device(array: Array, device: Any) -> Array:
    """On a ``jax.Device``, or one that is named like ``"cpu"`` or ``"gpu:1"``."""
    return array if device is None else jax.device_put(array, _checked_device(device))


def _checked_key(key: Any) -> Any:
    typed = isinstance(key, Array) and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    try:
        if not typed:
            key = jax.random.wrap_key_data(key)
        if key.shape == ():
            return key
    except (TypeError, ValueError, AttributeError):
        pass
    raise OptionError(
        "generator must be one key of JAX",
        f"{type(key).__name__} {getattr(key, 'dtype', '')} {getattr(key, 'shape', '')}",
        "For instance jax.random.key(0); map over many with jax.vmap.",
    )


def _checked_device(device: Any) -> Any:
    if isinstance(device, jax.Device):
        return device
    try:
        platform, _, number = str(device).partition(":")
        return jax.devices(platform)[int(number or 0)]
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        told = repr(device) if isinstance(device, str) else f"a {type(device).__name__}"  # whose repr may fail
        raise DeviceError(
            "device must be one of JAX", f"{told}: {error}", f"There are {', '.join(map(str, jax.devices()))}."
        ) from error
