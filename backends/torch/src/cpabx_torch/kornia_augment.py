"""The augmentation for kornia, which this module imports: :func:`cpabx.augment.for_kornia` imports this module."""

from __future__ import annotations

from typing import Any

import torch
from kornia.augmentation import GeometricAugmentationBase2D
from torch import Tensor

from cpabx.augment.options import Augmentation


class KorniaCPAB(GeometricAugmentationBase2D):  # type: ignore[misc]
    """Random CPAB maps as kornia's pipelines take them: images, masks, boxes and keypoints.

    Args:
        augmentation: the options.
        same_on_batch: one map for all images.
        keepdim: images without a batch come back without one.
    """

    def __init__(self, augmentation: Augmentation, *, same_on_batch: bool = False, keepdim: bool = False) -> None:
        super().__init__(p=augmentation.p, same_on_batch=same_on_batch, p_batch=1.0, keepdim=keepdim)
        self.augmentation = augmentation

    def generate_parameters(self, shape: tuple[int, ...]) -> dict[str, Tensor]:
        n, *_ = shape
        dtype = "float64" if self.dtype == torch.float64 else "float32"
        count = min(n, 1) if self.same_on_batch else n
        theta = self.augmentation.field.sample(count, backend="torch", device=self.device, dtype=dtype)
        return {"theta": theta.expand(n, -1), "size": torch.tensor(shape[-2:]).expand(n, 2)}

    def compute_transformation(self, input: Tensor, params: Any, flags: Any) -> Tensor:
        return torch.eye(3, device=input.device, dtype=input.dtype).expand(len(input), 3, 3)

    def apply_transform(self, input: Tensor, params: Any, flags: Any, transform: Any = None) -> Tensor:
        warped: Tensor = self.augmentation.warp(input, _theta(params, input))
        return warped

    def apply_transform_mask(self, input: Tensor, params: Any, flags: Any, transform: Any = None) -> Tensor:
        warped: Tensor = self.augmentation.warp_masks(input, _theta(params, input))
        return warped

    def apply_transform_keypoint(self, input: Any, params: Any, flags: Any, transform: Any = None) -> Any:
        points = input.data
        return type(input)(self.augmentation.move_keypoints(points, _theta(params, points), _size(params)), False)

    def apply_transform_box(self, input: Any, params: Any, flags: Any, transform: Any = None) -> Any:
        quads = input.data  # (N, K, 4, 2): corners, inclusive: the last pixels, not the edges behind them
        boxes = torch.cat([quads.amin(-2), quads.amax(-2) + 1], dim=-1)
        moved = self.augmentation.move_boxes(boxes, _theta(params, boxes), _size(params))
        x0, y0, x1, y1 = (moved - moved.new_tensor([0, 0, 1, 1])).unbind(-1)
        corners = [torch.stack(pair, -1) for pair in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))]
        result = input.clone()
        result._data = torch.stack(corners, dim=-2)
        return result


def _theta(params: Any, like: Tensor) -> Tensor:
    """Where a tensor is, and in its type if maps are computed in that."""
    theta: Tensor = params["theta"]
    return theta.to(like.device, like.dtype if like.dtype == torch.float64 else torch.float32)


def _size(params: Any) -> tuple[int, int]:
    height, width = params["size"][0].tolist()
    return int(height), int(width)
