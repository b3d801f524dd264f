"""CPAB in standard operations of TensorFlow, for what knows no others: XLA, TFLite, converters to ONNX.

The strides of :mod:`cpabx.portable` are rounds of one loop, which ends as soon as all trajectories have: the graph is
as large as one stride, and many are allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops import control_flow_util  # there is no public way

from cpabx.errors import UnsupportedError
from cpabx.portable.context import is_portable
from cpabx.portable.strides import Strides
from cpabx.portable.walk import State, Walk
from cpabx.tessellation import Tessellation
from cpabx.transforms import Composition, Cpab, Transformation
from cpabx_tensorflow import op_library


def check_not_portable(what: str) -> None:
    """Raises UnsupportedError where what has no portable form is asked for in it."""
    if is_portable():
        raise UnsupportedError("the portable form is of CPAB transformations and warps", what, _DERIVATIVES)


def check_not_xla(operation: str) -> None:
    """Raises UnsupportedError if what is traced is for ``tf.function(jit_compile=True)``."""
    if tf.executing_eagerly():
        return
    if control_flow_util.GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph()):
        raise UnsupportedError("XLA compiles none but TensorFlow's own operations", operation, _WAY)


def check_saved(family: Transformation, export: str | None) -> None:
    """Raises UnsupportedError for a layer whose graph is to be saved, and calls back into this process."""
    parts = family.parts if isinstance(family, Composition) else (family,)
    calls_libcpab = export is None and not is_portable() and any(isinstance(part, Cpab) for part in parts)
    if calls_libcpab and op_library.load() is None:
        raise UnsupportedError(
            "graphs with CPAB are saved and converted with the op library, or in the portable form",
            op_library.state(),
            "Make the layer with export='portable'.",
        )


_DERIVATIVES = "Compute it outside of the portable form, or differentiate the transform itself."
_WAY = (
    "Make the layer with export='portable', or call it in: with cpabx.export.portable(strides), "
    "for CPAB in standard operations; or leave out jit_compile=True."
)


def transform(
    points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float, strides: Strides
) -> tf.Tensor:
    """Points (1 or N, P, n) along fields with vertex velocities (N, V, n): (N, P, n).

    Differentiable as often as one likes; NaN where a trajectory takes more strides.
    """
    if points.shape[0] == 1 and velocity.shape[0] != 1:
        points = tf.broadcast_to(points, tf.concat([tf.shape(velocity)[:1], tf.shape(points)[1:]], 0))
    points = tf.ensure_shape(points, [points.shape[0] or velocity.shape[0], *points.shape[1:]])
    walk = Walk(TensorOperations(), points, velocity, tessellation, time, strides)

    def one_more(state: State) -> list[State]:
        return [walk.after(state)]

    def goes_on(state: State) -> tf.Tensor:
        return tf.reduce_any(state.left > 0)

    (walk.state,) = tf.while_loop(goes_on, one_more, [walk.state], maximum_iterations=strides.number)
    return walk.result()


class TensorOperations:
    """:class:`cpabx.portable.Operations` of tensors that have one number of rows, but for fields that all share."""

    def constant(self, values: np.ndarray[Any, Any], *, like: tf.Tensor) -> tf.Tensor:
        return tf.constant(values, like.dtype)

    def where(self, condition: tf.Tensor, a: Any, b: Any) -> tf.Tensor:
        dtype = next(x.dtype for x in (a, b) if tf.is_tensor(x))
        return tf.where(condition, tf.convert_to_tensor(a, dtype), tf.convert_to_tensor(b, dtype))

    def minimum(self, a: tf.Tensor, b: Any) -> tf.Tensor:
        return tf.minimum(a, b)

    def maximum(self, a: tf.Tensor, b: Any) -> tf.Tensor:
        return tf.maximum(a, b)

    def sqrt(self, x: tf.Tensor) -> tf.Tensor:
        return tf.sqrt(x)

    def floor(self, x: tf.Tensor) -> tf.Tensor:
        return tf.floor(x)

    def detach(self, x: tf.Tensor) -> tf.Tensor:
        return tf.stop_gradient(x)

    def stack(self, tensors: Sequence[tf.Tensor]) -> tf.Tensor:
        return tf.stack([tensor + tf.zeros_like(tensors[0]) for tensor in tensors], -1)

    def joined(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.concat([a, tf.broadcast_to(b, tf.concat([tf.shape(a)[:1], b.shape[1:]], 0))], -1)

    def nodes(self, velocity: tf.Tensor, index: np.ndarray[Any, Any]) -> tf.Tensor:
        return tf.gather(velocity, index, axis=1)

    def with_ideal(self, velocity: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        return tf.concat([velocity, weights @ velocity], 1)

    def rows(self, table: tf.Tensor, index: tf.Tensor) -> Sequence[tf.Tensor]:
        whole, shared = tf.cast(index, tf.int32), table.shape[0] == 1
        found = tf.gather(table[0], whole) if shared else tf.gather(table, whole, axis=1, batch_dims=1)
        columns: Sequence[tf.Tensor] = tf.unstack(found, axis=-1)
        return columns
