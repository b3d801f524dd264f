"""What an augmentation of torch is given: which kinds of values there are, and how each is transformed."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from cpabx.augment.marks import moved_outlines
from cpabx.augment.options import Augmentation
from cpabx.errors import DtypeError, ShapeError
from cpabx.registry import get_backend

try:
    from torchvision import tv_tensors
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional
except (ImportError, RuntimeError):  # the latter where it was built for another torch
    v2 = None

Params = dict[str, Any]


class PlainTransform(nn.Module):
    """The protocol of ``torchvision.transforms.v2.Transform`` without torchvision: the first tensor is the image."""

    def forward(self, *inputs: Any) -> Any:
        """Transforms the first tensor in any nesting of values, and returns all others as they are."""
        flat, spec = tree_flatten(inputs if len(inputs) > 1 else inputs[0])
        first = next((i for i, value in enumerate(flat) if isinstance(value, Tensor)), None)
        if first is not None:
            flat[first] = self.transform(flat[first], self.make_params([flat[first]]))
        return tree_unflatten(flat, spec)

    if TYPE_CHECKING:

        def make_params(self, flat_inputs: list[Any]) -> Params: ...

        def transform(self, inpt: Any, params: Params) -> Any: ...


if TYPE_CHECKING:
    Transform = PlainTransform
else:
    Transform = PlainTransform if v2 is None else v2.Transform


def _is(value: Any, *names: str) -> bool:
    """Whether a value is one of torchvision's kinds of tensors, some of which older releases do not have."""
    if v2 is None:
        return False
    return isinstance(value, tuple(getattr(tv_tensors, name) for name in names if hasattr(tv_tensors, name)))


def is_picture(value: Any) -> bool:
    """Whether it is an image or a video, not something that is marked in one."""
    return not _is(value, "Mask", "BoundingBoxes", "KeyPoints")


def is_raster(value: Any) -> bool:
    """Whether it has pixels."""
    return not _is(value, "BoundingBoxes", "KeyPoints")


def first_tensor(flat: list[Any]) -> Tensor | None:
    """The first of some values that is a tensor."""
    return next((value for value in flat if isinstance(value, Tensor)), None)


def check_not_arrays_alone(inputs: tuple[Any, ...]) -> None:
    """Raises DtypeError for arrays of numpy without a tensor or an image: nobody means them to stay as they are."""
    if isinstance(inputs[0], Tensor):
        return
    flat, _ = tree_flatten(inputs)
    arrays = [value for value in flat if isinstance(value, np.ndarray) and value.ndim > 1]
    if arrays and all(isinstance(value, (np.ndarray, str, int, float)) for value in flat):
        raise DtypeError(
            "images must be tensors of torch, (C, H, W) or (N, C, H, W)",
            f"an array of numpy of shape {arrays[0].shape}",
            "Convert it: torch.from_numpy(image), with channels first.",
        )


def batch_axes(picture: Tensor) -> tuple[int, ...]:
    """The sizes of the axes before those of one image or video."""
    of_one = 4 if _is(picture, "Video") else 3
    return tuple(picture.shape[:-of_one])


def transformed(augmentation: Augmentation, value: Any, params: Params) -> Any:
    """One value, by theta of the images that are chosen.

    Raises:
        ShapeError: it does not fit the batch.
    """
    if not isinstance(value, Tensor):  # an image of PIL
        pixels = functional.pil_to_tensor(value)
        return functional.to_pil_image(_pixels(augmentation.warp, pixels, params), mode=value.mode)
    plain = value.as_subclass(Tensor)
    known: Any = value
    if _is(value, "Mask"):
        result = _pixels(augmentation.warp_masks, plain, params)
    elif _is(value, "KeyPoints"):
        result = _keypoints(augmentation, plain, params, known.canvas_size)
    elif _is(value, "BoundingBoxes"):
        return _boxes(augmentation, value, plain, params)
    else:
        result = _pixels(augmentation.warp, plain, params)
    return result if type(value) is Tensor else tv_tensors.wrap(result, like=value)


def _pixels(warp: Callable[..., Tensor], pixels: Tensor, params: Params) -> Tensor:
    """Images, videos or masks: what is between the batch's axes and those of pixels are channels."""
    if pixels.ndim < 2:
        raise ShapeError("images must be (..., C, H, W)", f"shape {tuple(pixels.shape)}", "Add the missing axes.")
    if pixels.numel() == 0:
        return pixels
    images = _by_batch(pixels, params["batch"]).flatten(1, -3) if pixels.ndim > 2 + len(params["batch"]) else None
    if images is None:
        images = _by_batch(pixels, params["batch"])[:, None]
    return _of_chosen(lambda x, theta: warp(x, theta, params["family"]), images, params).reshape(pixels.shape)


def _by_batch(tensor: Tensor, batch: tuple[int, ...]) -> Tensor:
    """(N, ...) of a tensor whose first axes are those of the batch; N is 1 if there are none."""
    if tuple(tensor.shape[: len(batch)]) != batch:
        raise ShapeError(
            f"what belongs to a batch {batch} of images must have its axes first",
            f"shape {tuple(tensor.shape)}",
            "Transform sample by sample, as in a Dataset, or pass per_image=False for one map of all.",
        )
    return tensor.reshape(math.prod(batch), *tensor.shape[len(batch) :])


def _of_chosen(function: Callable[[Tensor, Tensor], Tensor], tensor: Tensor, params: Params) -> Tensor:
    """A function of (N, ...) and theta, for those that are chosen; the others stay as they are."""
    theta = params["theta"].to(tensor.device)
    if tensor.dtype in (torch.float32, torch.float64):
        theta = theta.to(tensor.dtype)
    chosen = params["chosen"]
    if chosen is None or len(chosen) == len(tensor):
        return function(tensor, theta)
    chosen = chosen.to(tensor.device)
    return tensor.index_copy(0, chosen, function(tensor.index_select(0, chosen), theta))


def _keypoints(augmentation: Augmentation, points: Tensor, params: Params, size: Any) -> Tensor:
    if points.numel() == 0:
        return points
    exact = points if points.dtype in (torch.float32, torch.float64) else points.float()
    by_batch = _by_batch(exact, params["batch"]).flatten(1, -2)
    moved = _of_chosen(lambda x, theta: augmentation.move_keypoints(x, theta, size), by_batch, params)
    return _as_type(moved.reshape(points.shape), points.dtype)


# -- boxes -----------------------------------------------------------------------------------------


def _boxes(augmentation: Augmentation, boxes: Any, plain: Tensor, params: Params) -> Any:
    if params["batch"]:
        raise ShapeError(
            "boxes must belong to one image",
            f"boxes {tuple(boxes.shape)} beside a batch {params['batch']} of images",
            "Transform sample by sample, as in a Dataset, or pass per_image=False for one map of all.",
        )
    if boxes.numel() == 0:
        return boxes
    exact = plain if plain.dtype in (torch.float32, torch.float64) else plain.float()
    is_rotated = boxes.format.value in ("XYWHR", "CXCYWHR", "XYXYXYXY")
    between = tv_tensors.BoundingBoxFormat("XYXYXYXY" if is_rotated else "XYXY")
    exact = functional.convert_bounding_box_format(exact, old_format=boxes.format, new_format=between)
    theta = params["theta"].to(exact)
    if is_rotated:
        moved = _rotated(augmentation, exact.reshape(1, -1, 4, 2), theta, boxes.canvas_size).reshape(-1, 8)
    else:
        moved = augmentation.move_boxes(exact[None], theta, boxes.canvas_size)[0]
    moved = functional.convert_bounding_box_format(moved, old_format=between, new_format=boxes.format)
    result = tv_tensors.wrap(_as_type(moved, boxes.dtype, outwards=boxes.format.value == "XYXY"), like=boxes)
    return functional.clamp_bounding_boxes(result)


def _rotated(augmentation: Augmentation, corners: Tensor, theta: Tensor, size: Any) -> Tensor:
    """(K, 4, 2) corners of the rectangles that hold the moved ones (1, K, 4, 2), turned as their first edges are."""
    curves = moved_outlines(get_backend("torch"), augmentation.family, corners, theta, size)[0]
    per_edge = curves.shape[1] // 4
    first, second, third, fourth = (curves[:, i * per_edge] for i in range(4))
    along = (second - first) + (third - fourth)
    along = along / torch.linalg.vector_norm(along, dim=-1, keepdim=True).clamp_min(1e-12)
    across = torch.stack([-along[:, 1], along[:, 0]], dim=-1)
    axes = torch.stack([along, across], dim=1)  # (K, 2, 2)
    inside = curves @ axes.transpose(1, 2)
    low, high = inside.amin(1), inside.amax(1)
    second, fourth = torch.stack([high[:, 0], low[:, 1]], -1), torch.stack([low[:, 0], high[:, 1]], -1)
    turned = torch.stack([low, second, high, fourth], dim=1)
    return turned @ axes


def _as_type(values: Tensor, dtype: torch.dtype, *, outwards: bool = False) -> Tensor:
    """Floats as a type; of whole numbers the nearest, or those that make a box larger."""
    if dtype.is_floating_point:
        return values.to(dtype)
    if outwards:
        low, high = values[:, :2], values[:, 2:]
        return torch.cat([torch.floor(low + 1e-3), torch.ceil(high - 1e-3)], dim=-1).to(dtype)
    return values.round().to(dtype)
