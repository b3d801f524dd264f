"""Augmentation of torch tensors: a transform of torchvision where it is installed, or a module of plain tensors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from cpabx.augment.options import Augmentation, check_no_form
from cpabx.augment.pictures import SharedPlaces
from cpabx.errors import MissingPackageError, ShapeError
from cpabx_torch import augment_values as values
from cpabx_torch.augment_values import Params


class RandomCPAB(values.Transform):
    """Warps images, and what is marked in them, by random CPAB maps: :func:`cpabx.augment.RandomCPAB`.

    Takes what transforms of ``torchvision.transforms.v2`` take: any nesting of values, of which images (``Image``, PIL,
    or the first plain tensor if there are none), ``Video``, ``Mask``, ``BoundingBoxes`` and ``KeyPoints`` are
    transformed and all others returned as they are. Without torchvision, the first tensor is the image.

    An image is (C, H, W), or (..., C, H, W) for a batch, each of whose images has a map of its own unless ``per_image``
    is False; all frames of a video have one. Beside a batch of several maps, masks and keypoints have the batch's axes
    first, and boxes, which in torchvision have no such axis, are refused. Maps are drawn by torch's global generator
    of the device that the images are on, so that ``torch.manual_seed`` and DataLoader workers seed them.

    Args:
        cells: (nx, ny), or a :class:`cpabx.Cpab`.
        **options: as in :func:`cpabx.augment.RandomCPAB`.
    """

    def __init__(self, cells: Any = (4, 4), **options: Any) -> None:
        super().__init__()
        check_no_form(options)
        self.augmentation = Augmentation.checked(cells, **options)

    def forward(self, *inputs: Any) -> Any:
        """Transforms images and what is marked in them; all else is returned as it is.

        Raises:
            DtypeError: arrays of numpy and no tensor, which would be returned as they are.
            CpabxError: what comes is no image, or does not fit the others.
        """
        values.check_not_arrays_alone(inputs)
        return super().forward(*inputs)

    def make_params(self, flat_inputs: list[Any]) -> Params:
        """What :meth:`transform` needs, drawn anew.

        Args:
            flat_inputs: what is to be transformed together.

        Returns:
            ``batch``, the axes of images that have a map each; ``chosen``, which of these are warped; ``theta`` of
            the chosen ones; and ``family``, whose maps they are.

        Raises:
            ShapeError: images of different batches.
        """
        pictures = [x for x in flat_inputs if values.is_picture(x)]
        batch, like = self._batch(pictures)
        n, p = math.prod(batch), self.augmentation.p
        chosen = None
        if p < 1:
            chosen = torch.nonzero(torch.rand(n) < p)[:, 0]  # on the host, which need not wait for a device
            n = len(chosen)
        like = like if like is not None else values.first_tensor(flat_inputs)
        device = None if like is None else like.device
        dtype = "float64" if like is not None and like.dtype == torch.float64 else "float32"
        theta = self.augmentation.field.sample(n, backend="torch", device=device, dtype=dtype)
        several = sum(values.is_raster(x) for x in flat_inputs) > 1
        family = SharedPlaces(self.augmentation.family) if several else self.augmentation.family
        return {"batch": batch, "chosen": chosen, "theta": theta, "family": family}

    def _batch(self, pictures: list[Any]) -> tuple[tuple[int, ...], Tensor | None]:
        """The axes of images that have a map each, and a tensor that tells where and in what to compute."""
        found: dict[tuple[int, ...], None] = {}
        like = None
        for picture in pictures:
            if isinstance(picture, Tensor):
                found[values.batch_axes(picture) if self.augmentation.per_image else ()] = None
                like = picture if like is None else like
            else:
                found[()] = None
        if len(found) > 1:
            raise ShapeError(
                "images that are transformed together must be as many",
                f"batches {', '.join(map(str, found))}",
                "Transform them one after another, or pass per_image=False for one map of all.",
            )
        return next(iter(found), ()), like

    def transform(self, inpt: Any, params: Params) -> Any:
        """One of the inputs, by what :meth:`make_params` drew.

        Args:
            inpt: an image, video, mask, boxes or keypoints.
            params: of :meth:`make_params`.

        Returns:
            The same kind of thing.

        Raises:
            ShapeError: it does not fit the batch of the images.
        """
        if len(params["theta"]) == 0:
            return inpt
        return values.transformed(self.augmentation, inpt, params)

    def _get_params(self, flat_inputs: list[Any]) -> Params:
        """What torchvision before 0.21 calls :meth:`make_params`."""
        return self.make_params(flat_inputs)

    def _transform(self, inpt: Any, params: Params) -> Any:
        """What torchvision before 0.21 calls :meth:`transform`."""
        return self.transform(inpt, params)

    def extra_repr(self) -> str:
        return ", ".join(f"{name}={value!r}" for name, value in self.augmentation.config.items())


def for_kornia(cells: Any = (4, 4), *, same_on_batch: bool = False, keepdim: bool = False, **options: Any) -> Any:
    """See :func:`cpabx.augment.for_kornia`.

    Args:
        cells: as there.
        same_on_batch: one map for all images of a batch.
        keepdim: images without a batch come back without one.
        **options: as there.

    Returns:
        A ``kornia.augmentation.GeometricAugmentationBase2D``.

    Raises:
        MissingPackageError: kornia is not installed.
        CpabxError: as there.
    """
    augmentation = Augmentation.checked(cells, **options)
    try:
        from cpabx_torch.kornia_augment import KorniaCPAB
    except ImportError as error:
        raise MissingPackageError(
            "an augmentation for kornia needs kornia", f"{error}", "Run: pip install kornia"
        ) from error
    return KorniaCPAB(augmentation, same_on_batch=same_on_batch, keepdim=keepdim)
