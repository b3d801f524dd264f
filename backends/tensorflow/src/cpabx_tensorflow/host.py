"""Calling libcpab from TensorFlow.

Eagerly on the tensors' own memory; a graph that has no op library calls back through ``tf.numpy_function``, which
runs on the host.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def threads() -> int | None:
    """At most so many threads may work on an eager call; None: those that libcpab uses by itself."""
    return tf.config.threading.get_intra_op_parallelism_threads() or None  # 0: not set


def on_host(
    function: Callable[..., Any], inputs: Sequence[tf.Tensor], shapes: Callable[[], Sequence[Any]]
) -> list[tf.Tensor]:
    """Outputs, of the first input's type, of a function of numpy arrays; ``shapes``, for graphs, may have gaps."""
    if tf.executing_eagerly():
        results = function(*(np.asarray(memoryview(tensor)) for tensor in inputs))  # views, not copies
        with tf.device(inputs[0].device):
            return [tf.convert_to_tensor(r) for r in (results if isinstance(results, tuple) else (results,))]
    known = shapes()
    tensors = tf.numpy_function(function, inputs, [inputs[0].dtype] * len(known), stateful=False)
    return [tf.ensure_shape(tensor, shape) for tensor, shape in zip(tensors, known, strict=True)]
