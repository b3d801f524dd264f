"""ONNX files of Keras models, by tf2onnx."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from cpabx.portable.context import in_force
from cpabx.portable.strides import Strides

#: The newest of ONNX's versions that tf2onnx writes.
OPSET = 18


def onnx(model: Any, args: tuple[Any, ...], path: Any, table: dict[Any, Any], **options: Any) -> Any:
    """:func:`cpabx.export.onnx`, in the way that is in force: the first axis of each argument may have any size.

    Raises:
        ImportError: tf2onnx is not installed.
    """
    patched = _tf2onnx()
    tensors = [tf.convert_to_tensor(x) for x in args]
    specs = [tf.TensorSpec((None, *x.shape[1:]), x.dtype, f"input_{k}") for k, x in enumerate(tensors)]
    handlers = {**translations(), **table}
    program, _ = patched.convert.from_function(
        tf.function(lambda *inputs: model(*inputs)),
        specs,
        custom_op_handlers={kind: (handler, []) for kind, handler in handlers.items()},
        output_path=None if path is None else str(path),
        **{"opset": OPSET, **options},
    )
    return program


def translations() -> dict[Any, Callable[..., Any]]:
    """What tf2onnx translates otherwise: its own choice between two tensors adds them, each times 0 or 1, so that NaN
    of what is not chosen gets into the result.
    """

    def where(context: Any, node: Any, name: str, args: Any) -> None:
        node.type = "Where"

    return {"SelectV2": where}


def lost(model: Any, args: Sequence[Any], strides: Strides) -> float:
    """Which part of the results of a model is NaN in the portable form, and is not by libcpab."""
    plain = tf.nest.flatten(model(*args))
    with in_force(strides):
        found = tf.nest.flatten(model(*args))
    parts = [np.isnan(b) & ~np.isnan(a) for a, b in zip(plain, found, strict=True)]
    return max((float(part.mean()) for part in parts if part.size), default=0.0)


def _tf2onnx() -> Any:
    """The package, as Keras mends it for newer ones of numpy."""
    import tf2onnx
    from keras.src.export.tf2onnx_lib import patch_tf2onnx  # there is no public way

    patch_tf2onnx()
    return tf2onnx
