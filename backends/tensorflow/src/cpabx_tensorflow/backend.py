"""TensorFlow behind cpabx's array operations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf

from cpabx.backend import Backend
from cpabx.errors import DtypeError, ShapeError
from cpabx.portable.strides import Strides
from cpabx.sampling.options import Sampling
from cpabx.tessellation import Tessellation

# The layers are imported here so that Keras can load a model of theirs as soon as the backend is chosen.
from cpabx_tensorflow import autograph, draws, flow, layers, op_library, portable
from cpabx_tensorflow.expm import expm
from cpabx_tensorflow.sampling import interpolate, take_pixels
from cpabx_tensorflow.warp import warp


class TensorFlowBackend(Backend):
    """TensorFlow's tensors, and variables of TensorFlow and Keras; images are (N, H, W, C)."""

    name: ClassVar[str] = "tensorflow"
    api_version: ClassVar[int] = 1
    supports: ClassVar[frozenset[str]] = frozenset({"autograd", "layers", "graph", "double_backward", "random_state"})
    channels_last: ClassVar[bool] = True

    def __init__(self) -> None:
        autograph.leave_alone()
        op_library.load()  # so that a library for another TensorFlow is an error now, not in some graph

    @property
    def framework_version(self) -> str:
        return f"tensorflow {tf.__version__}, keras {keras.__version__}"

    @property
    def notes(self) -> tuple[str, ...]:
        return (op_library.state(),)

    def asarray(self, values: Any, *, dtype: str | None = None, like: Any = None) -> tf.Tensor:
        chosen = dtype or (self.dtype(like) if like is not None else None)
        if isinstance(values, keras.KerasTensor):
            raise DtypeError(
                "functions need tensors",
                "a KerasTensor, as keras.Input returns, which stands for one",
                "Call the function within the call method of a Keras layer, or use one of cpabx.layers.",
            )
        if isinstance(values, (tf.Tensor, tf.Variable, keras.Variable)):
            tensor = tf.convert_to_tensor(values)
            return tf.cast(tensor, chosen) if chosen else tensor
        if isinstance(values, (tf.RaggedTensor, tf.SparseTensor, tf.IndexedSlices, tf.TensorArray)):
            raise TypeError(f"a {type(values).__name__}")
        array = np.asarray(values)
        if array.dtype.kind in ("OSUc" if chosen else "OSU"):  # numpy would make floats of them
            raise TypeError(f"an array of {array.dtype}")
        return tf.convert_to_tensor(array if chosen is None else array.astype(chosen))

    def to_numpy(self, tensor: Any) -> np.ndarray[Any, Any]:
        return np.asarray(tf.convert_to_tensor(tensor).numpy())

    def run_time_size(self, images: Any, axis: int) -> tf.Tensor | None:
        return tf.shape(images)[axis] if self.shape(images)[axis] is None else None

    def count_up(self, n: Any) -> tf.Tensor:
        return tf.cast(tf.range(n), "float64")

    def known_values(self, tensor: Any) -> np.ndarray[Any, Any] | None:
        return self.to_numpy(tensor) if tf.executing_eagerly() and self.device(tensor) == "cpu" else None

    def check_device_errors(self) -> None:
        op_library.check_device_errors()

    def dtype(self, tensor: Any) -> str:
        return str(tf.as_dtype(tensor.dtype).name)

    def device(self, tensor: Any) -> str:
        if not tf.executing_eagerly():
            return "graph"  # TensorFlow places operations when the graph runs, and copies what they need
        kind, _, number = tf.convert_to_tensor(tensor).device.rpartition("device:")[2].lower().partition(":")
        return "cpu" if kind == "cpu" else f"{kind}:{number}"

    def shape(self, tensor: Any) -> tuple[int | None, ...]:
        shape = tf.TensorShape(tensor.shape)
        if shape.rank is None:
            raise ShapeError(
                "the number of axes must be known while tracing",
                "a tensor of unknown rank",
                "Give the tf.function an input_signature, or call tensor.set_shape.",
            )
        return tuple(shape.as_list())

    def to_device(self, tensor: tf.Tensor, device: Any) -> tf.Tensor:
        with draws.on_device(device):
            return tensor if device is None else tf.identity(tensor)

    def tracing(self) -> bool:
        return not tf.executing_eagerly()

    def generator(self, seed: int) -> tf.random.Generator:
        return tf.random.Generator.from_seed(seed)

    def normal(self, shape: Sequence[Any], *, generator: Any, device: Any, dtype: str) -> tf.Tensor:
        return draws.normal(shape, generator, device, dtype)

    def reshape(self, tensor: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
        shape = list(shape)
        if any(isinstance(n, tf.Tensor) for n in shape):
            return tf.reshape(tensor, tf.stack(shape))
        if -1 in shape and 0 in shape:  # TensorFlow cannot infer a size next to a zero
            shape[shape.index(-1)] = 0
        return tf.reshape(tensor, shape)

    def concat(self, tensors: Sequence[tf.Tensor], axis: int) -> tf.Tensor:
        return tf.concat(list(tensors), axis)

    def take(self, tensor: tf.Tensor, index: np.ndarray[Any, Any], axis: int) -> tf.Tensor:
        return tf.gather(tensor, index, axis=axis)

    def expand(self, tensor: tf.Tensor, *, like: tf.Tensor) -> tf.Tensor:
        expanded = tf.repeat(tensor, tf.shape(like)[0], axis=0)
        expanded.set_shape([like.shape[0], *tensor.shape[1:]])
        return expanded

    def matmul(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.matmul(a, b)

    def matrix_transpose(self, a: tf.Tensor) -> tf.Tensor:
        return tf.linalg.matrix_transpose(a)

    def sum(self, tensor: tf.Tensor, axis: int) -> tf.Tensor:
        return tf.reduce_sum(tensor, axis)

    def max(self, tensor: tf.Tensor, axis: int) -> tf.Tensor:
        return tf.reduce_max(tensor, axis)

    def log(self, tensor: tf.Tensor) -> tf.Tensor:
        return tf.math.log(tensor)

    def where(self, condition: tf.Tensor, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        return tf.where(condition, a, b)

    def expm(self, matrices: tf.Tensor) -> tf.Tensor:
        return expm(matrices)

    def cpab(self, points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float) -> tf.Tensor:
        return flow.transform(points, velocity, tessellation, time)

    def cpab_velocity(self, points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation) -> tf.Tensor:
        portable.check_not_portable("CPAB velocities at points")
        return flow.velocity(points, velocity, tessellation)

    def cpab_jvp(
        self,
        points: tf.Tensor,
        velocity: tf.Tensor,
        tangent_points: tf.Tensor | None,
        tangent_velocity: tf.Tensor | None,
        tessellation: Tessellation,
        time: float,
    ) -> tf.Tensor:
        portable.check_not_portable("Jacobian-vector products of CPAB")
        return flow.transform_jvp(points, velocity, tangent_points, tangent_velocity, tessellation, time)

    def cpab_jacobian(
        self, points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float
    ) -> tuple[tf.Tensor, tf.Tensor]:
        portable.check_not_portable("Jacobians of CPAB")
        return flow.jacobian(points, velocity, tessellation, time)

    def sample(self, images: tf.Tensor, grid: tf.Tensor, sampling: Sampling) -> tf.Tensor:
        return interpolate(images, grid, sampling)

    def sample_series(self, series: tf.Tensor, places: tf.Tensor, lengths: tf.Tensor, sampling: Sampling) -> tf.Tensor:
        return interpolate(series, places, sampling, lengths)

    def take_pixels(self, images: tf.Tensor, places: tf.Tensor, fill: tf.Tensor) -> tf.Tensor:
        return take_pixels(images, places, fill)

    def cpab_warp(
        self,
        images: tf.Tensor,
        velocity: tf.Tensor,
        tessellation: Tessellation,
        time: float,
        output_size: Sequence[int],
        sampling: Sampling,
    ) -> tf.Tensor:
        return warp(images, velocity, tessellation, time, output_size, sampling)

    def portable_operations(self) -> portable.TensorOperations:
        return portable.TensorOperations()

    def cpab_portable(
        self, points: tf.Tensor, velocity: tf.Tensor, tessellation: Tessellation, time: float, strides: Strides
    ) -> tf.Tensor:
        return portable.transform(points, velocity, tessellation, time, strides)

    def exports(self) -> ModuleType:
        from cpabx_tensorflow import exporting

        return exporting

    def vjp(
        self, function: Callable[..., Any], arguments: Sequence[tf.Tensor], cotangent: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        leaves = [tf.identity(argument) for argument in arguments]  # arguments may depend on each other
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(leaves)
            result = function(*leaves)
        zero = tf.UnconnectedGradients.ZERO
        grads = tape.gradient(result, leaves, cotangent, unconnected_gradients=zero)
        return tuple(tf.convert_to_tensor(grad) for grad in grads)  # gather's are sparse

    def layers(self) -> ModuleType:
        return layers

    def augmentations(self) -> ModuleType:
        from cpabx_tensorflow import augment

        return augment

    def distributions(self) -> ModuleType:
        from cpabx_tensorflow import distributions  # which needs TensorFlow Probability

        return distributions
