"""MNIST and Fashion-MNIST: files in the IDX format, as they are or gzipped."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments import reading
from cpabx_experiments.data.dataset import Dataset
from cpabx_experiments.data.sources import SOURCES, Source

#: Code of unsigned bytes in an IDX header, the only type that these data sets use.
UBYTE = 0x08

SIDE, CLASSES = 28, 10
#: By part: how the names of its files begin, and how many images it has.
PREFIXES, IMAGES = {"train": "train", "test": "t10k"}, {"train": 60_000, "test": 10_000}


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
    images = read(images_path, (IMAGES[part], SIDE, SIDE), source)
    labels = read(labels_path, (IMAGES[part],), source)
    if len(labels) != len(images):
        expected = f"one label for each of the {len(images)} images of {images_path.name}"
        raise source.error(labels_path, expected, f"{len(labels)} labels")
    if labels.max(initial=0) >= CLASSES:
        raise source.error(labels_path, f"labels from 0 to {CLASSES - 1}", f"{labels.max()}")
    return Dataset(f"{name} {part}", images[..., None].astype(np.float32) / 255, labels.astype(np.int64))


def _existing(folder: Path, name: str, source: Source) -> Path:
    """The file that is there, or whatever else has its name: reading it will say what it is."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    raise source.error(folder / f"{name}.gz", "there, gzipped or not", "no such file")


def read(path: Path, most: tuple[int, ...], source: Source) -> NDArray[Any]:
    """The array of bytes in an IDX file: magic 0, 0, type, rank; sizes, big-endian; the bytes.

    The sizes are compared before the bytes are read, so that a small file cannot fill the memory.

    Args:
        path: of the file, which may be gzipped.
        most: the sizes, of which the first may be smaller.
        source: of the data set.

    Raises:
        DataError: the file cannot be read, or its magic, rank, sizes or length are wrong.
    """
    try:
        with reading.opened(path) as file, gzip.open(file) if path.suffix == ".gz" else file as content:
            shape = _shape(path, content, most, source)
            size = math.prod(shape)
            data = content.read(size + 1)  # and nothing after it, so a checksum was compared, too
    except (OSError, EOFError, zlib.error, MemoryError) as error:
        what = "a gzipped file" if path.suffix == ".gz" else "a file to read"
        raise source.error(path, what, str(error) or type(error).__name__) from error
    if len(data) != size:
        found = f"{len(data)} after the header" if len(data) < size else "more after the header"
        raise source.error(path, f"{size} bytes for {_product(shape)}", found)
    return np.frombuffer(data, np.uint8).reshape(shape)


def _shape(path: Path, content: IO[bytes] | gzip.GzipFile, most: tuple[int, ...], source: Source) -> tuple[int, ...]:
    """What the header says."""
    ndim, size = len(most), 4 + 4 * len(most)
    header, magic = content.read(size), bytes((0, 0, UBYTE, ndim))
    expected = f"an IDX file of unsigned bytes with {ndim} axes (magic {magic.hex(' ')})"
    if header[:4] != magic:
        raise source.error(path, expected, f"magic {header[:4].hex(' ')}" if header else "an empty file")
    if len(header) < size:
        raise source.error(path, expected, f"{len(header)} bytes, less than its header")
    shape = struct.unpack(f">{ndim}I", header[4:])
    if shape[1:] != most[1:]:
        raise source.error(path, f"images of {_product(most[1:])} pixels", _product(shape[1:]))
    if shape[0] > most[0]:
        raise source.error(path, f"a file of at most {most[0]} {'images' if ndim > 1 else 'labels'}", f"{shape[0]}")
    return shape


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


__all__ = ["load", "read"]
