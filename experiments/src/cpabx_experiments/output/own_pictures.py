"""Pictures of the user's, to be shown as each network sees them (``--show``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments import reading
from cpabx_experiments.data.pictures import DAMAGE
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.protocol.network import Size


def read(paths: Sequence[Path], image: Size) -> NDArray[np.uint8]:
    """Pictures in the form of a data set's images.

    Of each, made grey if they are, the largest part around its middle that has their proportions is resized to them. A
    pixel is the mean over what it covers, where that is a reduction.

    Args:
        paths: of JPEG or PNG files.
        image: (height, width, channels) of the data set.

    Returns:
        (N, height, width, channels).

    Raises:
        ExperimentError: a file is missing, damaged, or no picture.
    """
    return np.stack([_read(path, image) for path in paths])


def _read(path: Path, image: Size) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    height, width, channels = image
    try:
        with reading.opened(path) as file, Image.open(file, formats=("JPEG", "PNG")) as picture:
            upright = ImageOps.exif_transpose(picture).convert("RGB" if channels == 3 else "L")
            fitted = ImageOps.fit(upright, (width, height), Image.Resampling.BOX)
    except (*DAMAGE, Image.DecompressionBombError) as error:
        remedy = "Name JPEG or PNG files."
        raise ExperimentError(f"--show {path} must be a picture", f"{type(error).__name__}: {error}", remedy) from error
    return np.asarray(fitted, np.uint8).reshape(image)


__all__ = ["read"]
