"""What the experiments learn from: labelled images, and pairs of images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import ShapeError

Array = NDArray[Any]


@dataclass(frozen=True)
class Dataset:
    """Labelled images.

    Attributes:
        name: of the data set and its part, for messages and reports.
        images: (N, H, W, C), float32 in [0, 1] or, where they are many and large, uint8 that stand for 255ths.
        labels: (N,) int64 classes from 0, or (N, A) float32 of 0 and 1, the attributes.

    Raises:
        ShapeError: the numbers of images and labels differ, or the images have not four axes.
    """

    name: str
    images: Array
    labels: Array

    def __post_init__(self) -> None:
        _check_images(self.name, self.images)
        if len(self.labels) != len(self.images):
            raise ShapeError(
                f"{self.name} needs a label for each of its {len(self.images)} images",
                f"{len(self.labels)} labels",
                "Pass as many.",
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Array) -> Dataset:
        """The images with these indices, in their order."""
        return Dataset(self.name, self.images[indices], self.labels[indices])


@dataclass(frozen=True)
class Pairs:
    """Pairs of images, and whether both show the same person.

    Attributes:
        name: of the data set and its part.
        images: (M, H, W, C), each once, float32 in [0, 1] or uint8 that stand for 255ths.
        left, right: (N,) int64, indices into images.
        same: (N,) float32, 1 for the same person and 0 for two.

    Raises:
        ShapeError: left, right and same are not of one length, or an index is none of an image.
    """

    name: str
    images: Array
    left: Array
    right: Array
    same: Array

    def __post_init__(self) -> None:
        _check_images(self.name, self.images)
        lengths = len(self.left), len(self.right), len(self.same)
        if len(set(lengths)) > 1:
            raise ShapeError(f"{self.name} needs left, right and same of one length", f"{lengths}", "Pass as many.")
        for side in (self.left, self.right):
            if len(side) and (side.min() < 0 or side.max() >= len(self.images)):
                raise ShapeError(
                    f"{self.name} needs indices from 0 to {len(self.images) - 1}, one less than it has images",
                    f"{side.min()} to {side.max()}",
                    "Pass the images that the pairs are of.",
                )

    def __len__(self) -> int:
        return len(self.same)

    def take(self, indices: Array) -> Pairs:
        """The pairs with these indices, in their order; all images are kept, and shared."""
        return Pairs(self.name, self.images, self.left[indices], self.right[indices], self.same[indices])


def _check_images(name: str, images: Array) -> None:
    if np.ndim(images) != 4:
        raise ShapeError(f"images of {name} must be (N, H, W, C)", f"shape {np.shape(images)}", "Reshape them.")


__all__ = ["Array", "Dataset", "Pairs"]
