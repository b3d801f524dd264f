"""Augmentation as a Keras layer, in models and in ``tf.data``; images are (N, H, W, C) or (H, W, C)."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from cpabx.augment.options import Augmentation, AugmentationOptions, cells_of, check_no_form
from cpabx.augment.pictures import SharedPlaces
from cpabx.errors import OptionError, ShapeError
from cpabx.options import one_of

_register = keras.saving.register_keras_serializable(package="cpabx")

#: What is moved, by the names of Keras' own augmentations; keypoints are ours.
KEYS = ("images", "segmentation_masks", "bounding_boxes", "keypoints")

#: Formats of boxes that Keras can make of others.
FORMATS = ("xyxy", "yxyx", "xywh", "center_xywh", "center_yxhw", "rel_xyxy", "rel_yxyx", "rel_xywh", "rel_center_xywh")


@_register
class RandomCPAB(keras.layers.Layer):  # type: ignore[misc]
    """Warps images, and what is marked in them, by random CPAB maps: :func:`cpabx.augment.RandomCPAB`.

    Takes images, or a dictionary with ``"images"`` and any of ``"segmentation_masks"``, (N, H, W) or (N, H, W, K),
    ``"bounding_boxes"``, (N, B, 4) or a dictionary that has these as ``"boxes"``, and ``"keypoints"``, (N, P, 2) of
    (x, y) in pixels; whatever else it has is returned as it is. All may also be of one image, without N. Images come
    back in the layer's compute dtype, with the numbers that they had, masks in their own. As Keras' own augmentations,
    it does nothing where ``training`` is False, as in ``evaluate`` and ``predict``.

    Args:
        cells: (nx, ny), or a :class:`cpabx.Cpab`.
        bounding_box_format: as in ``keras.utils.bounding_boxes``.
        seed: a whole number, of the layer's ``keras.random.SeedGenerator``; without it, Keras' global seed counts.
        **options: as in :func:`cpabx.augment.RandomCPAB`, and ``name`` and ``dtype``.

    Raises:
        OptionError: an option does not exist, or Keras is set to channels first.
    """

    def __init__(
        self, cells: Any = (4, 4), *, bounding_box_format: str = "xyxy", seed: int | None = None, **options: Any
    ) -> None:
        check_no_form(options)
        own = {name: options.pop(name) for name in AugmentationOptions.__annotations__ if name in options}
        super().__init__(autocast=False, **options)
        if keras.config.image_data_format() != "channels_last":
            raise OptionError(
                "RandomCPAB takes images with channels last",
                f"image_data_format {keras.config.image_data_format()!r}",
                "Call keras.config.set_image_data_format('channels_last').",
            )
        self.supports_jit = False  # the native transform is no operation that XLA could compile
        self.augmentation = Augmentation.checked(cells, **own)
        self.bounding_box_format = one_of("bounding_box_format", bounding_box_format, FORMATS)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Any) -> None:
        self.built = True

    def call(self, inputs: Any, training: bool = True) -> Any:
        """Warp by maps that are drawn anew.

        Args:
            inputs: images, or a dictionary: see the class.
            training: False leaves everything as it is, but for the type of images.

        Returns:
            What ``inputs`` are.

        Raises:
            OptionError: a dictionary without images, or a tuple.
            ShapeError: images that are neither (N, H, W, C) nor (H, W, C), or what does not go with them.
        """
        if isinstance(inputs, tuple):
            raise OptionError(
                "inputs must be images or a dictionary",
                f"a tuple of {len(inputs)}",
                "In a map of a data set: lambda images, labels: (layer(images), labels).",
            )
        data = dict(inputs) if isinstance(inputs, dict) else {"images": inputs}
        if "images" not in data:
            raise OptionError("a dictionary must have 'images'", str(sorted(map(str, data))), "Add them.")
        images = tf.convert_to_tensor(data["images"])
        if images.shape.rank not in (3, 4):
            raise ShapeError(
                "images must be (N, H, W, C) or (H, W, C)", f"shape {images.shape}", "Add the missing axes."
            )
        is_batch = images.shape.rank == 4
        if training:
            data = self._augmented(data, images, is_batch)
        else:
            data["images"] = tf.cast(images, self.compute_dtype)
        return data if isinstance(inputs, dict) else data["images"]

    def _augmented(self, data: dict[str, Any], images: tf.Tensor, is_batch: bool) -> dict[str, Any]:
        images = _batch(tf.cast(images, self._working_dtype), is_batch)
        draw = _Draw(self.augmentation, images, self.generator, shared="segmentation_masks" in data)
        warped = draw.chosen(images, draw.augmentation.warp(images, draw.theta, draw.family))
        data = {**data, "images": _unbatch(tf.cast(warped, self.compute_dtype), is_batch)}
        if data.get("segmentation_masks") is not None:
            data["segmentation_masks"] = _masks(draw, tf.convert_to_tensor(data["segmentation_masks"]), is_batch)
        if data.get("keypoints") is not None:
            points = _batch(tf.cast(data["keypoints"], self._working_dtype), is_batch)
            moved = draw.augmentation.move_keypoints(points, draw.theta, draw.size)
            data["keypoints"] = _unbatch(draw.chosen(points, moved), is_batch)
        if data.get("bounding_boxes") is not None:
            given = data["bounding_boxes"]
            boxes = given["boxes"] if isinstance(given, dict) else given
            moved = _unbatch(self._boxes(draw, _batch(tf.cast(boxes, self._working_dtype), is_batch)), is_batch)
            data["bounding_boxes"] = {**given, "boxes": moved} if isinstance(given, dict) else moved
        return data

    def _boxes(self, draw: _Draw, boxes: tf.Tensor) -> tf.Tensor:
        height, width = draw.size

        def converted(boxes: tf.Tensor, source: str, target: str) -> tf.Tensor:
            return keras.utils.bounding_boxes.convert_format(
                boxes, source=source, target=target, height=height, width=width, dtype=self._working_dtype
            )

        corners = converted(boxes, self.bounding_box_format, "xyxy")
        moved = draw.augmentation.move_boxes(corners, draw.theta, draw.size)
        limits = tf.cast(tf.stack([width, height, width, height]), moved.dtype)
        is_box = tf.reduce_all(moved[..., 2:] > moved[..., :2], axis=-1, keepdims=True)
        moved = tf.where(is_box, tf.minimum(tf.maximum(moved, 0), limits), moved)
        return draw.chosen(boxes, converted(moved, "xyxy", self.bounding_box_format))

    @property
    def _working_dtype(self) -> str:
        return "float64" if self.compute_dtype == "float64" else "float32"

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes stay."""
        return input_shape

    def compute_output_spec(self, inputs: Any, training: bool = True) -> Any:
        """Shapes and types of what :meth:`call` returns."""
        if not isinstance(inputs, dict):
            return keras.KerasTensor(inputs.shape, self.compute_dtype)
        floats = {"images": self.compute_dtype}
        if training:
            floats |= {"bounding_boxes": self._working_dtype, "keypoints": self._working_dtype}
        specs = {name: _spec(value, floats.get(name)) for name, value in inputs.items()}
        if isinstance(inputs.get("bounding_boxes"), dict):
            given = inputs["bounding_boxes"]
            specs["bounding_boxes"] = {**given, "boxes": _spec(given["boxes"], floats.get("bounding_boxes"))}
        return specs

    def get_config(self) -> dict[str, Any]:
        """Arguments as JSON."""
        own = {"bounding_box_format": self.bounding_box_format, "seed": self.seed}
        return {**super().get_config(), **self.augmentation.config, **own}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> RandomCPAB:
        return cls(**{**config, "cells": cells_of(config["cells"])})


class _Draw:
    """One draw: theta for each image, and which images are warped."""

    def __init__(
        self, augmentation: Augmentation, images: tf.Tensor, generator: keras.random.SeedGenerator, *, shared: bool
    ) -> None:
        static, dynamic = images.shape, tf.shape(images)
        n = dynamic[0] if static[0] is None else static[0]
        self.augmentation = augmentation
        self.family = SharedPlaces(augmentation.family) if shared else augmentation.family
        self.size = tuple(dynamic[axis] if static[axis] is None else static[axis] for axis in (1, 2))
        count = n if augmentation.per_image else 1
        theta = augmentation.field.sample(count, generator=generator, backend="tensorflow", dtype=images.dtype.name)
        self._chosen = None
        if augmentation.p < 1:
            uniform = tf.random.stateless_uniform([count], seed=generator.next())
            self._chosen = uniform < augmentation.p
        self.theta = theta if augmentation.per_image else tf.repeat(theta, n, axis=0)

    def chosen(self, before: tf.Tensor, after: tf.Tensor) -> tf.Tensor:
        """What is warped, and of the others what was before."""
        if self._chosen is None:
            return after
        return tf.where(tf.reshape(self._chosen, [-1] + [1] * (len(before.shape) - 1)), after, before)


def _masks(draw: _Draw, masks: tf.Tensor, is_batch: bool) -> tf.Tensor:
    """(N, H, W) or (N, H, W, K), or of one image."""
    has_channels = masks.shape.rank == (4 if is_batch else 3)
    pixels = _batch(masks if has_channels else masks[..., None], is_batch)
    theta = tf.cast(draw.theta, pixels.dtype) if pixels.dtype in (tf.float32, tf.float64) else draw.theta
    warped = draw.chosen(pixels, draw.augmentation.warp_masks(pixels, theta, draw.family))
    return _unbatch(warped if has_channels else warped[..., 0], is_batch)


def _batch(tensor: tf.Tensor, is_batch: bool) -> tf.Tensor:
    return tensor if is_batch else tensor[None]


def _unbatch(tensor: tf.Tensor, is_batch: bool) -> tf.Tensor:
    return tensor if is_batch else tensor[0]


def _spec(value: Any, dtype: str | None) -> Any:
    return keras.KerasTensor(value.shape, dtype) if dtype and isinstance(value, keras.KerasTensor) else value
