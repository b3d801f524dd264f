"""Localization networks: from an image to theta."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cpabx.errors import CpabxError
from cpabx.layers.bound import Bound
from cpabx.layers.inputs import Shape, check_features, check_one_for_each, made_for_others, needs_known_size
from cpabx.layers.options import unknown_localization, with_parameters
from cpabx.transforms import Transformation


@keras.saving.register_keras_serializable(package="cpabx")
class IdentityTheta(keras.initializers.Initializer):  # type: ignore[misc]
    """The bias of the last layer: theta of the identity."""

    def __init__(self, values: list[float]) -> None:
        self.values = list(values)

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return keras.ops.reshape(keras.ops.convert_to_tensor(self.values, dtype=dtype), shape)

    def get_config(self) -> dict[str, Any]:
        return {"values": self.values}


@keras.saving.register_keras_serializable(package="cpabx")
class Halving3D(keras.layers.Layer):  # type: ignore[misc]
    """Max pooling of volumes by 2, with padding "same". TensorFlow's own has no float64."""

    def call(self, volumes: Any) -> Any:
        for axis in (1, 2, 3):
            if volumes.shape[axis] % 2:  # the last one stands in for what is missing
                last = keras.ops.take(volumes, [-1], axis=axis)
                volumes = keras.ops.concatenate([volumes, last], axis=axis)
            before, after = volumes.shape[1:axis], volumes.shape[axis + 1 :]
            pairs = keras.ops.reshape(volumes, (-1, *before, volumes.shape[axis] // 2, 2, *after))
            first, second = keras.ops.split(pairs, 2, axis=axis + 1)
            # Not keras.ops.max, which refuses a batch of none.
            volumes = keras.ops.squeeze(keras.ops.maximum(first, second), axis=axis + 1)
        return volumes

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        batch, *size, channels = input_shape
        return (batch, *(-(-n // 2) for n in size), channels)


class Flat(keras.layers.Flatten):  # type: ignore[misc]
    """Features (N, ...) as (N, F)."""

    def __call__(self, features: Any, **options: Any) -> Any:
        is_tensor = isinstance(features, keras.KerasTensor) or keras.ops.is_tensor(features)
        check_features(tuple(features.shape) if is_tensor else None, features)
        return super().__call__(features, **options)


def theta_dense(transformation: Transformation, dtype: str, bound: Bound) -> keras.layers.Layer:
    """The last layer: the transformation starts as exactly the identity, whatever the input (section 4.1)."""
    identity = transformation.identity(1, backend="numpy", dtype="float64")[0].tolist()

    def bounded(theta: Any) -> Any:
        start, most = (keras.ops.convert_to_tensor(values, dtype) for values in (identity, bound))
        return start + most * keras.ops.tanh((theta - start) / most)

    return keras.layers.Dense(
        transformation.n_params,
        activation=None if bound is None else bounded,
        kernel_initializer="zeros",
        bias_initializer=IdentityTheta(identity),
        dtype=dtype,
        name="theta",
    )


def cnn(ndim: int, dtype: Any) -> list[keras.layers.Layer]:
    """Two convolutions and a hidden layer, after sections 5.1 and 5.3 of the paper."""
    layers = keras.layers
    convolution = {1: layers.Conv1D, 2: layers.Conv2D, 3: layers.Conv3D}[ndim]

    def pooling(name: str) -> keras.layers.Layer:
        if ndim == 3:
            return Halving3D(dtype=dtype, name=name)
        flat = {1: layers.MaxPooling1D, 2: layers.MaxPooling2D}[ndim]
        return flat(2, padding="same", dtype=dtype, name=name)

    return [
        convolution(20, 5, padding="same", activation="relu", dtype=dtype, name="conv1"),
        pooling("pool1"),
        convolution(20, 5, padding="same", activation="relu", dtype=dtype, name="conv2"),
        pooling("pool2"),
        layers.Flatten(dtype=dtype, name="flatten"),
        layers.Dense(32, activation="relu", dtype=dtype, name="dense"),
    ]


def fcn(dtype: Any) -> list[keras.layers.Layer]:
    """Two fully connected layers, after section 5.1 of the paper."""
    layers = keras.layers
    return [
        layers.Flatten(dtype=dtype, name="flatten"),
        layers.Dense(32, activation="relu", dtype=dtype, name="dense1"),
        layers.Dense(32, activation="relu", dtype=dtype, name="dense2"),
    ]


def build(
    localization: Any, transformation: Transformation, *, name: str, bound: Bound, dtype: Any, theta_dtype: str
) -> keras.Sequential:
    """A network that ends in theta: a default one by name, or features of a layer or model of the user's.

    Raises:
        OptionError: it is neither, or there is nothing to predict.
    """
    if isinstance(localization, str) and localization in ("cnn", "fcn"):
        features = cnn(transformation.ndim, dtype) if localization == "cnn" else fcn(dtype)
    elif isinstance(localization, keras.layers.Layer):
        features = [localization]
    else:
        raise unknown_localization(localization, "keras.layers.Layer")
    flatten = Flat(dtype=theta_dtype, name="theta_features")
    last = theta_dense(with_parameters(transformation), theta_dtype, bound)
    network = keras.Sequential([*features, flatten, last], name=name)
    network.dtype_policy = dtype
    return network


def build_for(network: keras.Sequential, image_shape: Shape) -> None:
    """Makes the weights of a network for images of that shape, without the batch.

    Raises:
        ShapeError: a size is not known, and the weights depend on it.
    """
    try:
        network.build((None, *image_shape))
    except CpabxError:
        raise
    except Exception as error:
        if None not in image_shape:
            raise
        ndim = len(image_shape) - 1
        raise needs_known_size(image_shape, ndim, channels_last=True, pooling=_pooling(ndim)) from error


def _pooling(ndim: int) -> str:
    return f"its last layer keras.layers.GlobalAveragePooling{ndim}D(), for instance"


def run(network: keras.Sequential, images: Any, training: bool | None, made_for: Shape) -> Any:
    """Theta of images, by a network that was built for images of shape ``made_for``, without the batch.

    Raises:
        ShapeError: it does not take others, or mixes up the items of the batch.
    """
    try:
        theta = network(images, training=training)
    except CpabxError:
        raise
    except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
        pooling = _pooling(len(made_for) - 1)
        better = made_for_others(made_for, images.shape[1:], channels_last=True, pooling=pooling)
        if better is None:
            raise
        raise better from error
    check_one_for_each(images.shape[0], theta.shape[0])
    return theta


def to_config(localization: Any, network: keras.Sequential) -> Any:
    """The argument that made a network, as JSON."""
    return localization if localization is not None else keras.saving.serialize_keras_object(network.layers[0])


def from_config(config: Any) -> Any:
    """The argument again; also of a pair."""
    if isinstance(config, (list, tuple)):
        return [from_config(one) for one in config]
    return keras.saving.deserialize_keras_object(config) if isinstance(config, dict) else config
