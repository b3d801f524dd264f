"""The spatial transformers as Keras layers; images are (N, H, W, C), signals (N, L, C), volumes (N, D, H, W, C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from cpabx.errors import DtypeError, OptionError
from cpabx.layers.bound import Bound
from cpabx.layers.families import SpatialTransformerMixin, layer_classes
from cpabx.layers.inputs import Shape, check_images, check_input_shape, not_floats
from cpabx.layers.options import WarpOptions, check_family, side_by_side
from cpabx.layers.results import Prediction, side_by_side_results, with_extras
from cpabx.portable.option import checked_export, exported
from cpabx.transforms import Transformation
from cpabx_tensorflow import activation, families, portable
from cpabx_tensorflow import localization as networks

_register = keras.saving.register_keras_serializable(package="cpabx")


@_register
class SpatialTransformer(SpatialTransformerMixin, keras.layers.Layer):  # type: ignore[misc]
    """Predicts theta from the input and warps the input by it (section 3.1 of the paper).

    Args:
        transformation: the family.
        localization: ``"cnn"``, ``"fcn"``, or a Keras layer or model that turns images into features;
            a last dense layer from these to theta is added.
        input_shape: (H, W, C), or in 1D and 3D (L, C) and (D, H, W, C). Without it, weights are created by
            the first input, as Keras does.
        output_size: (height, width), (length,) or (depth, height, width); that of the input by default.
        mode, padding_mode, align_corners, fill: as in :meth:`cpabx.Transformation.warp`.
        bound: the most that theta may differ from the identity's: a positive number, or one for each parameter. Theta
            is identity + bound * tanh((prediction - identity) / bound), the prediction itself where the layer starts.
        export: ``"portable"`` computes CPAB in standard operations of TensorFlow, for XLA, TFLite and ONNX: see
            :mod:`cpabx_tensorflow.portable`.
        **keras_options: ``name``, ``dtype``, ``trainable``. Theta and the warp are computed in float32
            at least, the result has the compute dtype.

    Raises:
        OptionError: an option does not exist, or Keras is set to channels first.
    """

    def __init__(
        self,
        transformation: Transformation,
        *,
        localization: Any = "cnn",
        input_shape: Sequence[int] | None = None,
        output_size: tuple[int, ...] | None = None,
        mode: str = "linear",
        padding_mode: str = "zeros",
        align_corners: bool = False,
        fill: Any = 0.0,
        bound: Any = None,
        export: str | None = None,
        **keras_options: Any,
    ) -> None:
        # autocast=False: images come as they are, so that half precision does not move them.
        super().__init__(autocast=False, **keras_options)
        _check_data_format()
        check_family(transformation)
        if not keras.backend.is_float_dtype(self.compute_dtype):
            raise DtypeError("dtype must be a floating-point type", repr(self.compute_dtype), "For instance 'float32'.")
        self.export = checked_export(export)
        self.supports_jit = export == "portable"  # the native transform is no operation that XLA could compile
        self.options = WarpOptions.checked(output_size, mode, padding_mode, align_corners, transformation.ndim, fill)
        self.transformation = transformation
        given = self._build_networks(localization, bound, self._network)
        self._localization_names = [name if isinstance(name, str) else None for name in given]
        if input_shape is not None:
            self.build((None, *check_input_shape(input_shape, transformation.ndim, channels_last=True)))

    def _network(self, localization: Any, transformation: Transformation, bound: Bound, name: str) -> keras.Sequential:
        options: dict[str, Any] = {
            "name": name,
            "bound": bound,
            "dtype": self.dtype_policy,
            "theta_dtype": self._working_dtype,
        }
        return networks.build(localization, transformation, **options)

    @property
    def _networks(self) -> tuple[keras.Sequential, ...]:
        return tuple(getattr(self, name) for name in self._predicted())

    @property
    def _working_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def build(self, input_shape: Any) -> None:
        check_images(input_shape, self.transformation.ndim, channels_last=True)
        self._image_shape: Shape = tuple(input_shape)[1:]
        for network in self._networks:
            if not network.built:
                networks.build_for(network, self._image_shape)
        self.built = True

    def _images(self, images: Any) -> tf.Tensor:
        """Images, checked, as they are computed with."""
        images = keras.ops.convert_to_tensor(images)
        self._check(images)
        if not self.built:
            self.build(images.shape)
        return keras.ops.cast(images, self._working_dtype)

    def _check(self, images: Any) -> None:
        ndim, dtype = self.transformation.ndim, keras.backend.standardize_dtype(images.dtype)
        check_images(images.shape, ndim, channels_last=True)
        if not keras.backend.is_float_dtype(dtype):
            conversion = "keras.ops.cast(images, 'float32'), divided by 255 where they are pixels of 8 bits"
            raise not_floats(ndim, dtype, conversion)

    def _predict(self, images: tf.Tensor, options: WarpOptions, training: bool | None) -> Prediction:
        """One run of the localization."""
        theta = self._run(self.localization, images, training)
        return Prediction(theta, images, self.transformation, theta)

    def _run(self, network: keras.Sequential, images: tf.Tensor, training: bool | None) -> tf.Tensor:
        return networks.run(network, images, training, self._image_shape)

    def _joined(self, thetas: list[tf.Tensor]) -> tf.Tensor:
        return tf.concat(thetas, axis=-1)

    def _warp(
        self, options: WarpOptions, transformation: Transformation, images: tf.Tensor, theta: tf.Tensor
    ) -> tf.Tensor:
        with exported(self.export):
            return options.warp(transformation, images, theta)

    def _grid(self, options: WarpOptions, images: tf.Tensor, theta: tf.Tensor) -> tf.Tensor:
        with exported(self.export):
            return options.grid(self.transformation, images, theta)

    def _series(self, images: Any, lengths: Any) -> tuple[tf.Tensor, WarpOptions]:
        """Images, checked and without padding, and how they are warped."""
        images = self._images(images)
        options = self.options.for_series(images, lengths)
        return options.without_padding(images), options

    def theta(self, images: Any, training: bool | None = None, lengths: Any = None) -> tf.Tensor:
        """(N, d) predicted parameters, from a run of the localization of its own: see :meth:`call`."""
        images, options = self._series(images, lengths)
        return self._predict(images, options, training=training).theta

    def call(
        self,
        images: Any,
        training: bool | None = None,
        return_theta: bool = False,
        return_grid: bool = False,
        lengths: Any = None,
    ) -> Any:
        """Warp the images by the theta that the localization predicts from them.

        Args:
            images: (N, H, W, C), or in 1D and 3D (N, L, C) and (N, D, H, W, C).
            training: as in every layer of Keras, for the localization.
            return_theta: also return this run's theta, (N, d), in float32 at least.
            return_grid: also return where the output comes from, ``(N, *output_size, n)`` of (x, y[, z]) in [-1, 1]
                over the input, as torch's ``grid_sample`` takes it, in float32 at least.
            lengths: of series, as in :meth:`cpabx.Transformation.warp`; the localization sees zeros beyond them.

        Returns:
            The output, or a tuple: the output, then theta, then the grid, as far as they are asked for.

        Raises:
            ShapeError: the images have another number of axes, or a size that the localization does not take.
            DtypeError: they are no floats.
        """
        images, options = self._series(images, lengths)
        found = self._predict(images, options, training=training)
        output = self._warp(options, found.transformation, found.images, found.own)
        theta = found.theta if return_theta else None
        grid = self._grid(options, images, found.theta) if return_grid else None
        return with_extras(keras.ops.cast(output, self.compute_dtype), theta, grid)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        """The shape of the output, without what a call may return besides."""
        batch, *size, channels = input_shape
        return (batch, *(self.options.output_size or size), channels)

    def compute_output_spec(
        self,
        images: Any,
        training: bool | None = None,
        return_theta: bool = False,
        return_grid: bool = False,
        lengths: Any = None,
    ) -> Any:
        """Shapes and types of all that :meth:`call` returns."""
        self._check(images)
        family = self.transformation
        batch, *size, channels = self.compute_output_shape(images.shape)
        output = keras.KerasTensor((batch, *size, channels), self.compute_dtype)
        theta = keras.KerasTensor((batch, family.n_params), self._working_dtype) if return_theta else None
        grid = keras.KerasTensor((batch, *size, family.ndim), self._working_dtype) if return_grid else None
        return with_extras(output, theta, grid)

    # -- saving ----------------------------------------------------------------------------------

    def _trackable_children(self, save_type: str = "checkpoint", **options: Any) -> Any:
        if save_type == "savedmodel":
            portable.check_saved(self.transformation, self.export)
        return super()._trackable_children(save_type, **options)

    def get_config(self) -> dict[str, Any]:
        """Arguments as JSON; a localization network of the user's as Keras writes it."""
        size = self.options.output_size
        return {
            **super().get_config(),
            **self.family_config(),
            "localization": self._localization_config(),
            "output_size": None if size is None else list(size),
            **self.options.sampling.config,
            "bound": self.bound,
            "export": self.export,
        }

    def family_config(self) -> dict[str, Any]:
        """The family as JSON has it."""
        return {"transformation": families.to_config(self.own_family()), **self.own_options()}

    def _localization_config(self) -> Any:
        """What made the network, or the pair of networks."""
        pairs = zip(self._localization_names, self._networks, strict=True)
        made = [networks.to_config(name, network) for name, network in pairs]
        return made[0] if len(made) == 1 else made

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> SpatialTransformer:
        config = dict(cls.family_arguments(config))
        config["localization"] = networks.from_config(config["localization"])
        if isinstance(config.get("transformation"), dict):
            config["transformation"] = families.from_config(config["transformation"])
        return super().from_config(config)  # type: ignore[no-any-return]


CPABActivation = activation.CPABActivation
globals().update({name: _register(layer) for name, layer in layer_classes(SpatialTransformer, __name__).items()})

if TYPE_CHECKING:

    def __getattr__(name: str) -> Any: ...  # the classes just made, which cpabx.layers.LAYER_NAMES lists


@_register
class STParallel(keras.layers.Layer):  # type: ignore[misc]
    """Spatial transformers side by side: one input, k transformations, k results (section 6 of the paper).

    Args:
        layers: k of the layers above, of any families, each with its own localization network.
        merge: None returns a list of the results, ``"channels"`` one tensor (N, ..., k * C), the first
            layer's channels first.
        **keras_options: ``name``, ``dtype``, ``trainable``.

    Raises:
        OptionError: results do not fit each other, or ``layers`` has none, or something else.
    """

    def __init__(self, layers: Sequence[SpatialTransformer], *, merge: str | None = None, **keras_options: Any) -> None:
        super().__init__(autocast=False, **keras_options)
        self.layers = side_by_side(layers, merge, SpatialTransformer)
        self.supports_jit = all(layer.supports_jit for layer in self.layers)
        self.merge = merge

    def build(self, input_shape: Any) -> None:
        for layer in self.layers:
            if not layer.built:
                layer.build(input_shape)
        self.built = True

    def theta(self, images: Any, training: bool | None = None, lengths: Any = None) -> list[tf.Tensor]:
        """The predicted parameters of each layer."""
        return [layer.theta(images, training=training, lengths=lengths) for layer in self.layers]

    def call(
        self,
        images: Any,
        training: bool | None = None,
        return_theta: bool = False,
        return_grid: bool = False,
        lengths: Any = None,
    ) -> Any:
        """The layers' results; with ``return_theta``, ``return_grid`` lists of their thetas, their grids as well."""
        extras = {"return_theta": return_theta, "return_grid": return_grid, "lengths": lengths}
        options = {"training": training, **extras}
        return side_by_side_results([layer(images, **options) for layer in self.layers], self._merged)

    def _merged(self, outputs: list[tf.Tensor]) -> list[tf.Tensor] | tf.Tensor:
        return outputs if self.merge is None else keras.ops.concatenate(outputs, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output, or of each, without what a call may return besides."""
        shapes = [layer.compute_output_shape(input_shape) for layer in self.layers]
        return shapes if self.merge is None else (*shapes[0][:-1], len(shapes) * shapes[0][-1])

    def compute_output_spec(self, images: Any, **options: Any) -> Any:
        """Shapes and types of all that :meth:`call` returns."""
        specs = [layer.compute_output_spec(images, **options) for layer in self.layers]

        def merged(outputs: list[keras.KerasTensor]) -> Any:
            if self.merge is None:
                return outputs
            return keras.KerasTensor(self.compute_output_shape(images.shape), self.compute_dtype)

        return side_by_side_results(specs, merged)

    def get_config(self) -> dict[str, Any]:
        layers = [keras.saving.serialize_keras_object(layer) for layer in self.layers]
        return {**super().get_config(), "layers": layers, "merge": self.merge}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> STParallel:
        layers = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**{**config, "layers": layers})


def _check_data_format() -> None:
    if keras.config.image_data_format() != "channels_last":
        raise OptionError(
            "the layers take images with channels last, (N, H, W, C)",
            f"image_data_format {keras.config.image_data_format()!r}",
            "Call keras.config.set_image_data_format('channels_last'), and permute the images.",
        )
