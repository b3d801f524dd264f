"""Standard normal numbers by TensorFlow's and Keras's generators."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from cpabx.errors import DeviceError, OptionError, shown
from cpabx.transforms.arguments import count


def normal(shape: Sequence[Any], generator: Any, device: Any, dtype: str) -> tf.Tensor:
    """By TensorFlow's global state, or by a generator: operations that run anew whenever a graph does."""
    sizes = [_size(size) for size in shape]
    with on_device(device):
        if generator is None:
            noise = tf.random.normal(sizes, dtype=dtype)
        elif isinstance(generator, tf.random.Generator):
            noise = generator.normal(sizes, dtype=dtype)
        elif isinstance(generator, keras.random.SeedGenerator):
            noise = tf.random.stateless_normal(sizes, seed=generator.next(), dtype=dtype)
        else:
            raise OptionError(
                "generator must be a tf.random.Generator or a keras.random.SeedGenerator",
                type(generator).__name__,
                "For instance tf.random.Generator.from_seed(0).",
            )
    return tf.ensure_shape(noise, [size if isinstance(size, int) else None for size in sizes])


def on_device(device: Any) -> contextlib.AbstractContextManager[Any]:
    """A context that places operations on a device; None leaves that to TensorFlow."""
    if device is None:
        return contextlib.nullcontext()
    try:
        if not isinstance(device, str):
            raise TypeError("no name")
        wanted = tf.DeviceSpec.from_string(device)
        devices = [tf.DeviceSpec.from_string(found.name) for found in tf.config.list_logical_devices()]
    except (AttributeError, ValueError, TypeError) as error:
        raise _no_device(device, str(error)) from error
    kind, index = (wanted.device_type or "").upper(), wanted.device_index or 0
    if wanted.job is None and not any((kind, index) == (found.device_type, found.device_index) for found in devices):
        raise _no_device(device, f"there are {', '.join(found.to_string() for found in devices)}")
    return tf.device(device)  # type: ignore[no-any-return]


def _no_device(device: Any, reason: str) -> DeviceError:
    return DeviceError(
        "device must be the name of one of TensorFlow", f"{shown(device)}: {reason}", "For instance 'CPU:0'."
    )


def _size(size: Any) -> Any:
    """A whole number, or a scalar of a graph, which has its value when the graph runs."""
    if not tf.is_tensor(size) or tf.executing_eagerly():
        return count(size)
    if not size.dtype.is_integer or size.shape.rank not in (0, None):
        raise OptionError("n must be a whole number", f"{size.dtype.name} {size.shape}", "For instance tf.shape(x)[0].")
    return tf.cast(size, tf.int32)
