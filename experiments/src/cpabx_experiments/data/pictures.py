"""Photographs from an archive as one array of bytes, cropped and reduced, and kept in a cache if there is one."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import MissingPackageError, OptionError
from cpabx_experiments.data.archive import Archive
from cpabx_experiments.files import unwritable

Bytes = NDArray[np.uint8]

#: What Pillow's readers raise of a damaged picture, beside its own DecompressionBombError.
DAMAGE = (OSError, SyntaxError, ValueError, MemoryError)


@dataclass(frozen=True)
class View:
    """What becomes of a photograph.

    Args:
        whole: (height, width) that every photograph of the data set has.
        crop: (height, width) of the part around its middle that is kept; by default all of it.
        size: (height, width) to which that is reduced, a pixel being the mean over what it covers.

    Raises:
        OptionError: crop is larger than the whole, or size larger than crop, or one is less than 1.
    """

    whole: tuple[int, int]
    crop: tuple[int, int] | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "crop", self.crop or self.whole)
        object.__setattr__(self, "size", self.size or self.crop)
        for name, inner, outer in (("crop", self.crop, self.whole), ("size", self.size, self.crop)):
            if inner and outer and not all(1 <= i <= o for i, o in zip(inner, outer, strict=True)):
                limit = f"at least 1 and at most {outer}: pictures are cropped and reduced, not enlarged"
                raise OptionError(f"{name} (height, width) must be {limit}", f"{inner}", "Choose another.")

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, upper, right, lower edge of the crop."""
        (height, width), (h, w) = self.whole, self.crop or self.whole
        top, left = (height - h) // 2, (width - w) // 2
        return left, top, left + w, top + h


def read(archive: Archive, names: Sequence[str], view: View, cache: Path | None = None) -> Bytes:
    """(N, h, w, 3) RGB pictures of an archive, in the order of names.

    Args:
        archive: that has them.
        names: of JPEG or PNG files, each once.
        view: the part and size to return.
        cache: a folder. What was read is written there, and mapped into memory rather than loaded now and the next
            time, as long as the archive and all arguments stay the same.

    Raises:
        DataError: a picture is missing, damaged or of another size.
        ExperimentError: the cache cannot be written.
        MissingPackageError: Pillow is not installed.
    """
    height, width = view.size or view.whole
    shape = (len(names), height, width, 3)
    if cache is None:
        images = np.empty(shape, np.uint8)
        _fill(images, archive, names, view)
        return images
    path = cache / f"{archive.source.name}-{height}x{width}-{_digest(archive, names, view)}.npy"
    if not _is_complete(path, shape):
        _write(path, shape, archive, names, view)
    kept: Bytes = np.load(path, mmap_mode="r")
    return kept


def _fill(images: Bytes, archive: Archive, names: Sequence[str], view: View) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingPackageError("photographs need Pillow", "none", "pip install cpabx-experiments") from error
    index = {name: n for n, name in enumerate(names)}
    height, width = view.whole
    for name, content in archive.read(index):
        expected = f"a picture of {width} x {height} pixels"
        try:
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG")) as picture:
                if picture.size != (width, height):
                    raise ValueError("{} x {}".format(*picture.size))
                rgb, (h, w) = picture.convert("RGB"), images.shape[1:3]
                images[index[name]] = np.asarray(rgb.resize((w, h), Image.Resampling.BOX, view.box))
        except (*DAMAGE, Image.DecompressionBombError) as error:
            raise archive.source.error(archive.where(name), expected, str(error) or type(error).__name__) from error


def _write(path: Path, shape: tuple[int, ...], archive: Archive, names: Sequence[str], view: View) -> None:
    """Beside its place first: a cache that is there is complete."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=".writing-", suffix=".npy")
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        images = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
        _reserve(unfinished)
        _fill(images, archive, names, view)
        images.flush()
        del images
        os.replace(unfinished, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        Path(unfinished).unlink(missing_ok=True)


def _reserve(name: str) -> None:
    """All of a mapped file's space: if the disk were full later, it would be a signal that ends the process."""
    if hasattr(os, "posix_fallocate"):
        with open(name, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)


def _is_complete(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        images = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return False
    return bool(images.shape == shape and images.dtype == np.uint8)


def _digest(archive: Archive, names: Sequence[str], view: View) -> str:
    """Changes with the archive, as far as size and time of a file tell, and with all else that makes the pictures."""
    status = archive.path.stat()
    key = (str(archive.path.resolve()), status.st_size, status.st_mtime_ns, tuple(names), view)
    return hashlib.sha256(repr(key).encode()).hexdigest()[:16]


__all__ = ["View", "read"]
