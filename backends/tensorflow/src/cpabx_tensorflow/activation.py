"""Activations that are learnt: a diffeomorphism of the line, of each value."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cpabx.errors import DtypeError
from cpabx.layers.activation import activation_family, check_channels, checked_channels
from cpabx.layers.families import json_ready
from cpabx.portable.option import checked_export, exported
from cpabx.transforms import Cpab
from cpabx_tensorflow import portable


@keras.saving.register_keras_serializable(package="cpabx")
class CPABActivation(keras.layers.Layer):  # type: ignore[misc]
    """Each value goes to T^theta of itself; see :func:`cpabx.layers.CPABActivation`.

    Args:
        channels: None for one theta, or the number of channels, (..., C), with one each.
        cells: of the field, or a :class:`cpabx.Cpab` in 1D.
        export: ``"portable"`` computes the flow in standard operations of TensorFlow, as in all layers.
        **keras_options: ``name``, ``dtype``, ``trainable``.
    """

    def __init__(
        self, channels: int | None = None, cells: Any = 10, *, export: str | None = None, **keras_options: Any
    ) -> None:
        super().__init__(autocast=False, **keras_options)
        if not keras.backend.is_float_dtype(self.compute_dtype):
            raise DtypeError("dtype must be a floating-point type", repr(self.compute_dtype), "For instance 'float32'.")
        self.export = checked_export(export)
        self.supports_jit = export == "portable"  # the native transform is no operation that XLA could compile
        self.supports_masking = True
        self.transformation = activation_family(cells)
        self.channels = checked_channels(channels)
        size = (self.channels or 1, self.transformation.n_params)
        self.theta = self.add_weight(shape=size, initializer="zeros", autocast=False, name="theta")

    @property
    def _working_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def build(self, input_shape: Any) -> None:
        check_channels(tuple(input_shape), -1, self.channels)
        self.built = True

    def call(self, values: Any) -> tf.Tensor:
        """The activations.

        Args:
            values: of any shape, or (..., C) with a theta for each channel.

        Returns:
            The same shape, in the compute dtype. Half precision is computed in float32.

        Raises:
            ShapeError: another number of channels.
        """
        return self._through(values, 1.0)

    def inverse(self, values: Any) -> tf.Tensor:
        """What :meth:`call` came from, exactly; arguments and result are alike."""
        return self._through(values, -1.0)

    def _through(self, values: Any, time: float) -> tf.Tensor:
        values = keras.ops.convert_to_tensor(values)
        check_channels(tuple(values.shape), -1, self.channels)
        with exported(self.export):
            return self._moved(values, time)

    def _moved(self, values: tf.Tensor, time: float) -> tf.Tensor:
        x = keras.ops.cast(values, self._working_dtype)
        theta = keras.ops.cast(self.theta, self._working_dtype)
        if self.channels is None:
            moved = self.transformation.transform(tf.reshape(x, (1, -1, 1)), theta, time=time)
        else:
            first = tf.transpose(tf.reshape(x, (-1, self.channels)))
            moved = tf.transpose(self.transformation.transform(first[..., None], theta, time=time)[..., 0])
        return keras.ops.cast(tf.reshape(moved, tf.shape(x)), self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the input."""
        return input_shape

    def compute_output_spec(self, values: Any) -> keras.KerasTensor:
        """Shape and type of the result."""
        check_channels(tuple(values.shape), -1, self.channels)
        return keras.KerasTensor(values.shape, self.compute_dtype)

    # -- saving ----------------------------------------------------------------------------------

    def _trackable_children(self, save_type: str = "checkpoint", **options: Any) -> Any:
        if save_type == "savedmodel":
            portable.check_saved(self.transformation, self.export)
        return super()._trackable_children(save_type, **options)

    def get_config(self) -> dict[str, Any]:
        """Arguments as JSON."""
        cells = json_ready(self.transformation.config)
        return {**super().get_config(), "channels": self.channels, "cells": cells, "export": self.export}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> CPABActivation:
        cells = config["cells"]
        return cls(**{**config, "cells": Cpab(**cells) if isinstance(cells, dict) else cells})
