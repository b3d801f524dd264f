"""MNIST and Fashion-MNIST: files in the IDX format, as they are or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.experiments.data.dataset import Dataset
from cpabx.experiments.data.sources import SOURCES, Source

#: Code of unsigned bytes in an IDX header, the only type that these data sets use.
UBYTE = 0x08

SIDE, CLASSES = 28, 10
PREFIXES = {"train": "train", "test": "t10k"}


def load(name: str, root: Path, part: str) -> Dataset:
    """MNIST's or Fashion-MNIST's images, (N, 28, 28, 1) float32 in [0, 1], and labels.

    Args:
        name: ``"mnist"`` or ``"fashion-mnist"``, also the folder below root.
        root: folder of all data sets.
        part: ``"train"`` or ``"test"``.

    Raises:
        DataError: a file is missing, damaged, or another.
    """
    source, folder = SOURCES[name], root / name
    images_path = _existing(folder, f"{PREFIXES[part]}-images-idx3-ubyte", source)
    labels_path = _existing(folder, f"{PREFIXES[part]}-labels-idx1-ubyte", source)
    images, labels = read(images_path, 3, source), read(labels_path, 1, source)
    if images.shape[1:] != (SIDE, SIDE):
        raise source.error(images_path, f"images of {SIDE} x {SIDE} pixels", " x ".join(map(str, images.shape[1:])))
    if len(labels) != len(images):
        expected = f"one label for each of the {len(images)} images of {images_path.name}"
        raise source.error(labels_path, expected, f"{len(labels)} labels")
    if labels.max(initial=0) >= CLASSES:
        raise source.error(labels_path, f"labels from 0 to {CLASSES - 1}", f"{labels.max()}")
    return Dataset(f"{name} {part}", images[..., None].astype(np.float32) / 255, labels.astype(np.int64))


def _existing(folder: Path, name: str, source: Source) -> Path:
    for path in (folder / f"{name}.gz", folder / name):
        if path.is_file():
            return path
    raise source.error(folder / f"{name}.gz", "there, gzipped or not", "no such file")


def read(path: Path, ndim: int, source: Source) -> NDArray[Any]:
    """The array of bytes in an IDX file: magic 0, 0, type, rank; sizes, big-endian; the bytes.

    Raises:
        DataError: the file cannot be read, or its magic, rank, sizes or length are wrong.
    """
    content = _content(path, source)
    header = 4 + 4 * ndim
    magic = bytes((0, 0, UBYTE, ndim))
    expected = f"an IDX file of unsigned bytes with {ndim} axes (magic {magic.hex(' ')})"
    if content[:4] != magic:
        raise source.error(path, expected, f"magic {content[:4].hex(' ')}" if content else "an empty file")
    if len(content) < header:
        raise source.error(path, expected, f"{len(content)} bytes, less than its header")
    shape = struct.unpack(f">{ndim}I", content[4:header])
    if len(content) - header != math.prod(shape):
        sizes = " x ".join(map(str, shape))
        raise source.error(path, f"{math.prod(shape)} bytes for {sizes}", f"{len(content) - header} after the header")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path, source: Source) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (OSError, EOFError, zlib.error) as error:
        what = "a gzipped file" if path.suffix == ".gz" else "a file to read"
        raise source.error(path, what, str(error)) from error


__all__ = ["load", "read"]
