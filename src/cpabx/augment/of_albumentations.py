"""The augmentation for albumentations 2, which this module imports: ``cpabx.augment.for_albumentations`` imports it."""

from __future__ import annotations

from typing import Any

import numpy as np
from albumentations import DualTransform
from albumentations.core.type_definitions import Targets

from cpabx.augment.options import Augmentation
from cpabx.transforms.base import Array


class RandomCPAB(DualTransform):  # type: ignore[misc]
    """Random CPAB maps of images, masks, boxes and keypoints; a keypoint's angle and scale stay as they are.

    Args:
        config: the options, as :attr:`cpabx.augment.options.Augmentation.config` writes them.
    """

    _targets = (Targets.IMAGE, Targets.MASK, Targets.BBOXES, Targets.KEYPOINTS)

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__(p=config["p"])
        self.config = config
        self.augmentation = Augmentation.from_config(config)

    def get_params_dependent_on_data(self, params: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
        theta = self.augmentation.field.sample(1, generator=self.random_generator, backend="numpy")
        return {"theta": theta}

    def apply(self, img: Array, theta: Array, **params: Any) -> Array:
        return _one(self.augmentation.warp, img, theta)

    def apply_to_mask(self, mask: Array, theta: Array, **params: Any) -> Array:
        return _one(self.augmentation.warp_masks, mask, theta)

    def apply_to_keypoints(self, keypoints: Array, theta: Array, **params: Any) -> Array:
        moved = np.array(keypoints, np.float32)
        size = params["shape"][:2]
        moved[:, :2] = self.augmentation.move_keypoints(moved[None, :, :2], theta, size)[0]
        return moved

    def apply_to_bboxes(self, bboxes: Array, theta: Array, **params: Any) -> Array:
        moved = np.array(bboxes, np.float32)
        height, width = params["shape"][:2]
        scale = np.array([width, height] * 2, np.float32)
        boxes = self.augmentation.move_boxes(moved[None, :, :4] * scale, theta, (height, width))[0]
        moved[:, :4] = np.clip(boxes / scale, 0, 1)
        return moved

    def get_transform_init_args_names(self) -> tuple[str, ...]:
        return ("config",)


def _one(warp: Any, image: Array, theta: Array) -> Array:
    """Of (H, W) or (H, W, C)."""
    pixels = image[None, ..., None] if image.ndim == 2 else image[None]
    return np.asarray(warp(np.ascontiguousarray(pixels), theta)).reshape(image.shape)
