"""Augmentation by random CPAB maps: images, masks, boxes and keypoints that stay together.

:func:`RandomCPAB` makes what a framework's pipelines take. Its parts work in every backend:
:class:`RandomField` draws maps, :func:`warp_images`, :func:`warp_masks`, :func:`move_keypoints` and :func:`move_boxes`
apply them. :func:`for_kornia` and :func:`for_albumentations` make transforms of these libraries, where they are
installed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Unpack

from cpabx.augment.field import RandomField
from cpabx.augment.marks import move_boxes, move_keypoints
from cpabx.augment.options import Augmentation, AugmentationOptions, make
from cpabx.augment.pictures import warp_images, warp_masks
from cpabx.errors import MissingPackageError, OptionError
from cpabx.registry import get_backend
from cpabx.transforms import Cpab


def RandomCPAB(
    cells: Cpab | Sequence[int] = (4, 4), *, backend: str | None = None, **options: Unpack[AugmentationOptions]
) -> Any:
    """An augmentation that warps images, and what is marked in them, by random CPAB maps.

    In torch it is a ``torchvision.transforms.v2.Transform`` where torchvision is installed, of images (uint8, float,
    PIL), videos, masks, boxes of all formats and keypoints, or else a ``torch.nn.Module`` of plain tensors. In
    TensorFlow it is a Keras layer of images, masks, boxes and keypoints, which works in ``tf.data`` and in ``fit``.

    Args:
        cells: (nx, ny), or a :class:`cpabx.Cpab`.
        backend: only to differ from the backend in force.
        **options: ``amplitude`` (0.05), the mean displacement as a share of the image, of its width along x and of its
            height along y; ``length_scale`` (0.5) and ``boundary`` ("sliding"), as in :class:`RandomField`; ``p`` (1),
            the probability that an image is warped; ``mode`` ("linear"), ``padding_mode`` ("border", or with a free
            boundary "zeros"), ``fill`` and ``mask_fill`` (0), as in :meth:`cpabx.Transformation.warp`, masks
            being sampled by ``"nearest"``; ``per_image`` (True): the images of a batch have maps of their own, not one.
            In Keras also ``bounding_box_format``, ``seed`` and the options of all layers.

    Returns:
        The transform or the layer.

    Raises:
        OptionError: an option does not exist, or as :class:`RandomField` has it.
        TessellationError, UnsupportedError: as :class:`RandomField` has it.
        BackendLoadError: the backend has no augmentations.
    """
    return make(backend, cells, dict(options))


def for_kornia(cells: Cpab | Sequence[int] = (4, 4), **options: Any) -> Any:
    """The same as a ``kornia.augmentation`` of 2D images, for ``AugmentationSequential`` and alone.

    Args:
        cells: as in :func:`RandomCPAB`.
        **options: those of :func:`RandomCPAB` but ``per_image``, and kornia's ``same_on_batch`` and ``keepdim``; p is
            that of each image.

    Returns:
        A ``kornia.augmentation.GeometricAugmentationBase2D``. Boxes and keypoints are moved as by
        :func:`move_keypoints`; kornia's boxes are corners.

    Raises:
        MissingPackageError: kornia is not installed.
        CpabxError: as in :func:`RandomCPAB`.
    """
    module: Any = get_backend("torch").augmentations()
    return module.for_kornia(cells, **options)


def for_albumentations(cells: Cpab | Sequence[int] = (4, 4), **options: Any) -> Any:
    """The same as a transform of albumentations, of numpy arrays, for ``Compose`` and alone.

    Args:
        cells: as in :func:`RandomCPAB`.
        **options: those of :func:`RandomCPAB` but ``per_image``.

    Returns:
        An ``albumentations.DualTransform`` of images, masks, boxes and keypoints. Its numbers are those of
        albumentations' own generator, which ``Compose(..., seed=)`` sets.

    Raises:
        MissingPackageError: albumentations is not installed.
        CpabxError: as in :func:`RandomCPAB`.
    """
    if "per_image" in options:
        raise OptionError("albumentations transforms one image at a time", "per_image", "Leave it out.")
    augmentation = Augmentation.checked(cells, **options)
    try:
        from cpabx.augment.of_albumentations import RandomCPAB as OfAlbumentations
    except ImportError as error:
        raise MissingPackageError(
            "a transform for albumentations needs albumentations 2", f"{error}", "Run: pip install 'albumentations>=2'"
        ) from error
    return OfAlbumentations(augmentation.config)


__all__ = [
    "RandomCPAB",
    "RandomField",
    "for_albumentations",
    "for_kornia",
    "move_boxes",
    "move_keypoints",
    "warp_images",
    "warp_masks",
]
