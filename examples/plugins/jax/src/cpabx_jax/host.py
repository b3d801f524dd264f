"""Calling libcpab, which reads numpy arrays on the host, from JAX."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def on_host(
    function: Callable[..., tuple[Any, ...]], shapes: Sequence[tuple[int, ...]], *inputs: jax.Array
) -> tuple[jax.Array, ...]:
    """Outputs, of the first input's type and these shapes, of a function of numpy arrays.

    The first axis of all inputs and outputs is that of the batch, whose items do not meet. Where the inputs have
    values, the function is called at once, and its exceptions arrive as they are; else when the computation runs.
    """
    if not any(isinstance(x, jax.core.Tracer) for x in inputs):
        return tuple(jnp.asarray(result) for result in function(*map(np.asarray, inputs)))
    ndim, dtype = inputs[0].ndim, inputs[0].dtype

    def batched(*given: Any) -> tuple[Any, ...]:
        """The axes that vmap puts in front are more items of the batch."""
        arrays = [np.asarray(array) for array in given]  # no JAX in here: it may be waiting for us
        axes = arrays[0].ndim - ndim + 1
        lead = arrays[0].shape[:axes]
        results = function(*(array.reshape(math.prod(lead), *array.shape[axes:]) for array in arrays))
        return tuple(result.reshape(*lead, *result.shape[1:]) for result in results)

    outputs = tuple(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes)
    return tuple(jax.pure_callback(batched, outputs, *inputs, vmap_method="broadcast_all"))
