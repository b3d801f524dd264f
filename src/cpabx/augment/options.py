"""The options of augmentations in every framework: their checks, and how they warp."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, TypedDict

from cpabx import registry
from cpabx.augment.field import RandomField
from cpabx.augment.marks import move_boxes, move_keypoints
from cpabx.augment.pictures import warp_images, warp_masks
from cpabx.backend import Tensor
from cpabx.errors import BackendLoadError, OptionError, shown
from cpabx.layers.families import json_ready
from cpabx.options import flag, number
from cpabx.sampling import Sampling
from cpabx.transforms import Cpab, Transformation


class FieldOptions(TypedDict, total=False):
    """What maps are drawn, see :class:`cpabx.augment.RandomField`."""

    amplitude: float
    length_scale: float
    boundary: str


class AugmentationOptions(FieldOptions, total=False):
    """Options of augmentations in every framework; :func:`cpabx.augment.RandomCPAB` says what they mean."""

    p: float
    mode: str
    padding_mode: str | None
    fill: Any
    mask_fill: Any
    per_image: bool


def check_no_form(options: dict[str, Any]) -> None:
    """Raises OptionError for ``export``, which is an option of layers: augmentations are not served."""
    if "export" in options:
        raise OptionError(
            "the form of an augmentation is that of the block that calls it",
            f"export={shown(options['export'])}",
            "Leave it out, and call the augmentation in: with cpabx.export.portable(strides).",
        )


@dataclass(frozen=True)
class Augmentation:
    """What maps are drawn, how often, and how images and masks are sampled.

    Attributes:
        field: the distribution of theta.
        p: the probability that an image is warped.
        images: how images are sampled.
        masks: how masks are.
        per_image: each image of a batch has a map of its own.
    """

    field: RandomField
    p: float
    images: Sampling
    masks: Sampling
    per_image: bool

    @classmethod
    def checked(
        cls,
        cells: Any = (4, 4),
        *,
        p: float = 1.0,
        mode: str = "linear",
        padding_mode: str | None = None,
        fill: Any = 0.0,
        mask_fill: Any = 0.0,
        per_image: bool = True,
        **field_options: Any,
    ) -> Augmentation:
        """The options as :func:`cpabx.augment.RandomCPAB` takes them.

        Raises:
            CpabxError: as :func:`cpabx.augment.RandomCPAB` does.
        """
        unknown = sorted(set(field_options) - set(FieldOptions.__annotations__))
        if unknown:
            raise OptionError(
                f"options must be among {', '.join(AugmentationOptions.__annotations__)}",
                ", ".join(unknown),
                _remedy(unknown[0]),
            )
        random_field = RandomField(cells, **field_options)
        probability = number(p)
        if not 0 <= probability <= 1:
            raise OptionError("p must be a probability, from 0 to 1", shown(p), "1 warps all images.")
        padding = padding_mode
        if padding is None:
            padding = "zeros" if random_field.boundary == "free" else "border"
        images = Sampling.checked(mode, padding, False, fill, ndim=2)
        masks = Sampling.checked("nearest", padding, False, mask_fill, ndim=2)
        return cls(random_field, probability, images, masks, flag("per_image", per_image))

    @property
    def config(self) -> dict[str, Any]:
        """The arguments of :meth:`checked`, as JSON has them."""
        cells = self.field.cells
        return {
            **self.field.config,
            "cells": json_ready(cells.config if isinstance(cells, Cpab) else tuple(cells)),
            "p": self.p,
            "mode": self.images.mode,
            "padding_mode": self.images.padding_mode,
            "fill": list(self.images.fill) if len(self.images.fill) > 1 else self.images.fill[0],
            "mask_fill": list(self.masks.fill) if len(self.masks.fill) > 1 else self.masks.fill[0],
            "per_image": self.per_image,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Augmentation:
        """An equal one, of what :attr:`config` returns, also once it has been JSON.

        Raises:
            CpabxError: as :meth:`checked` does.
        """
        return cls.checked(**{**config, "cells": cells_of(config["cells"])})

    # -- what it does with one theta per item ----------------------------------------------------

    @property
    def family(self) -> Cpab:
        """The family of maps."""
        return self.field.cpab

    def warp(self, images: Tensor, theta: Tensor, family: Transformation | None = None) -> Tensor:
        """Images, as :func:`cpabx.augment.warp_images` has it.

        Args:
            images: N of them.
            theta: (N, d).
            family: in place of :attr:`family`, the same with places that are shared.

        Returns:
            N images.
        """
        options = self.images
        return warp_images(
            family or self.family,
            images,
            theta,
            mode=options.mode,
            padding_mode=options.padding_mode,
            fill=_value(options),
        )

    def warp_masks(self, masks: Tensor, theta: Tensor, family: Transformation | None = None) -> Tensor:
        """Masks, as :func:`cpabx.augment.warp_masks` has it; arguments as in :meth:`warp`.

        Returns:
            N masks.
        """
        options = self.masks
        return warp_masks(family or self.family, masks, theta, padding_mode=options.padding_mode, fill=_value(options))

    def move_keypoints(self, points: Tensor, theta: Tensor, size: Any) -> Tensor:
        """(N, K, 2), as :func:`cpabx.augment.move_keypoints` has it."""
        return move_keypoints(self.family, points, theta, size)

    def move_boxes(self, boxes: Tensor, theta: Tensor, size: Any) -> Tensor:
        """(N, K, 4), as :func:`cpabx.augment.move_boxes` has it."""
        return move_boxes(self.family, boxes, theta, size)


def cells_of(written: Any) -> Any:
    """The cells, or the family, that :attr:`Augmentation.config` wrote."""
    return Cpab(**written) if isinstance(written, dict) else tuple(written)


def _remedy(unknown: str) -> str:
    """What to do about an option that does not exist."""
    if unknown == "seed":
        return "Leave it out: the framework's own seed is the one that counts, such as torch.manual_seed."
    close = difflib.get_close_matches(unknown, AugmentationOptions.__annotations__, n=1)
    return f"Did you mean {close[0]!r}?" if close else "Leave it out."


def _value(options: Sampling) -> Any:
    return options.fill if len(options.fill) > 1 else options.fill[0]


def make(backend: str | None, cells: Any, options: dict[str, Any]) -> Any:
    """The augmentation of the backend in force, or of the one that is named.

    Raises:
        BackendLoadError: it has none.
    """
    chosen = registry.get_backend(backend)
    made = chosen.augmentations()
    if made is None:
        raise BackendLoadError(
            "RandomCPAB needs a backend with augmentations",
            f"backend {chosen.name!r}, which has none",
            "Choose one first, e.g. cpabx.set_backend('torch'), or use cpabx.augment.RandomField and its functions.",
        )
    return made.RandomCPAB(cells, **options)
