"""CIFAR-10 and CIFAR-100: the official archives for Python, or what they unpack to."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments.data.archive import Limits, find
from cpabx_experiments.data.dataset import Array, Dataset
from cpabx_experiments.data.sources import SOURCES, Source
from cpabx_experiments.data.unpickle import unpickle
from cpabx_experiments.reading import shown

#: Folder in the archive, its files by part, the key of the labels, and the number of classes.
LAYOUT: dict[str, tuple[str, dict[str, list[str]], str, int]] = {
    "cifar10": (
        "cifar-10-batches-py",
        {"train": [f"data_batch_{n}" for n in range(1, 6)], "test": ["test_batch"]},
        "labels",
        10,
    ),
    "cifar100": ("cifar-100-python", {"train": ["train"], "test": ["test"]}, "fine_labels", 100),
}

#: Bytes of a file: at most 50,000 images, of 3,072 bytes that text may double, and of a name and labels; and of all.
LIMITS = Limits(file=50_000 * (2 * 3_072 + 256), whole=1 << 30, names=1_000)


def load(name: str, root: Path, part: str) -> Dataset:
    """CIFAR's images, (N, 32, 32, 3) float32 in [0, 1], and labels (CIFAR-100: the 100 fine ones).

    An archive with ``-subset`` in its name may lack some of the five training batches of CIFAR-10; and a batch may
    have any number of images.

    Args:
        name: ``"cifar10"`` or ``"cifar100"``, also the folder below root.
        root: folder of all data sets.
        part: ``"train"`` or ``"test"``.

    Raises:
        DataError: a file is missing, damaged, or another; or it asks for code to be run.
    """
    folder, files, key, classes = LAYOUT[name]
    source = SOURCES[name]
    stem = f"cifar-{classes}-python"
    patterns = (folder, f"{stem}.tar.gz", f"{stem}-subset*.tar.gz", f"{stem}-subset*.tar")
    archive = find(root / name, patterns, 2, source, LIMITS)
    wanted = [f"{folder}/{file}" for file in files[part]]
    if "-subset" in archive.path.name:
        wanted = sorted(set(wanted) & set(archive.names())) or wanted
    contents = dict(archive.read(wanted))
    batches = [_batch(archive.where(file), contents[file], key, classes, source) for file in wanted]
    images, labels = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return Dataset(f"{name} {part}", images.astype(np.float32) / 255, labels)


def _batch(path: Path, content: bytes, key: str, classes: int, source: Source) -> tuple[Array, NDArray[np.int64]]:
    """(N, 32, 32, 3) bytes and (N,) labels of one pickle."""
    try:
        values = unpickle(content)
    except pickle.UnpicklingError as error:
        raise source.error(path, "a pickle of plain values and an array of bytes", str(error)) from error
    data, labels = values.get("data"), values.get(key)
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != 3 * 32 * 32:
        raise source.error(path, "a pickle with data, (N, 3072) bytes", _shape(data))
    if not isinstance(labels, list) or len(labels) != len(data):
        found = f"{len(labels)}" if isinstance(labels, list) else _shape(labels)
        raise source.error(path, f"a pickle with a list {key} of {len(data)} labels", found)
    wrong = [label for label in labels if type(label) is not int or not 0 <= label < classes]
    if wrong:
        raise source.error(path, f"a pickle with {key} from 0 to {classes - 1}", shown(wrong[0]))
    return data.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int64)


def _shape(value: Any) -> str:
    return f"{value.shape} {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__


__all__ = ["load"]
