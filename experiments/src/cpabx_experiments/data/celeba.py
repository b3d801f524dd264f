"""CelebA: aligned and cropped faces with 40 attributes.

Layout below root: ``celeba/img_align_celeba.zip`` or the folder ``celeba/img_align_celeba``, with
``celeba/list_attr_celeba.txt`` and ``celeba/list_eval_partition.txt``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments import reading
from cpabx_experiments.data import pictures
from cpabx_experiments.data.archive import Limits, find
from cpabx_experiments.data.dataset import Dataset
from cpabx_experiments.data.sources import SOURCES

#: (height, width) of the pictures, and the number of attributes.
SIZE, ATTRIBUTES = (218, 178), 40
#: The official partition has 162,770, 19,867 and 19,962 pictures; the paper's 192,469 and 10,130 are another.
PARTITION = {"train": "0", "validation": "1", "test": "2"}

#: Bytes of a picture and of a list, of which the longer one has 27 million; and files: 202,599 pictures.
LIMITS, LIST = Limits(file=1 << 20, whole=4 << 30, names=250_000), 32 << 20

CELEBA = SOURCES["celeba"]


def load(
    root: Path,
    part: str,
    *,
    first: int | None = None,
    size: tuple[int, int] | None = None,
    cache: Path | None = None,
) -> Dataset:
    """CelebA's pictures, (N, 218, 178, 3) uint8, and attributes, (N, 40) float32 of 0 and 1.

    Args:
        root: folder of all data sets.
        part: ``"train"``, ``"test"`` or, which other data sets lack, ``"validation"``.
        first: only so many pictures.
        size: (height, width) to reduce them to.
        cache: a folder for the pictures, which are then mapped into memory rather than loaded: all training pictures
            take 19 GB.

    Raises:
        DataError: a file is missing, damaged, or another.
        OptionError: a size larger than the pictures.
    """
    folder = root / "celeba"
    attributes = read_attributes(folder / "list_attr_celeba.txt")
    partition = read_partition(folder / "list_eval_partition.txt")
    names = [name for name, code in partition.items() if code == PARTITION[part]][:first]
    unlabelled = [name for name in names if name not in attributes]
    if unlabelled:
        expected = f"one that names {unlabelled[0][:100]}, as list_eval_partition.txt does"
        raise CELEBA.error(folder / "list_attr_celeba.txt", expected, f"a list of {len(attributes)} others")
    archive = find(folder, ("img_align_celeba/", "img_align_celeba.zip"), 1, CELEBA, LIMITS)
    images = pictures.read(archive, names, pictures.View(SIZE, size=size), cache)
    labels = np.array([attributes[name] for name in names], np.float32).reshape(len(names), ATTRIBUTES)
    return Dataset(f"celeba {part}", images, labels)


def read_attributes(path: Path) -> dict[str, NDArray[np.float32]]:
    """Per picture (40,) of 0 and 1: after the number of pictures and the names of attributes, lines of 1 and -1.

    Raises:
        DataError: the file is missing, incomplete, or has another layout.
    """
    lines = _lines(path)
    if len(lines) < 2 or len(lines[1]) != ATTRIBUTES:
        found = f"{len(lines[1])}" if len(lines) > 1 else f"{len(lines)} lines"
        raise CELEBA.error(path, f"a list with {ATTRIBUTES} names of attributes in line 2", found)
    if lines[0] != [str(len(lines) - 2)]:
        expected = f"a list of {' '.join(lines[0])[:60]} pictures, as its line 1 says"
        raise CELEBA.error(path, expected, f"{len(lines) - 2}")
    for number, fields in enumerate(lines[2:], 3):
        if len(fields) != 1 + ATTRIBUTES or not set(fields[1:]) <= {"1", "-1"}:
            expected = f"a list whose line {number} is a file and {ATTRIBUTES} times 1 or -1"
            raise CELEBA.error(path, expected, repr(" ".join(fields)[:60]))
    return {fields[0]: np.array([value == "1" for value in fields[1:]], np.float32) for fields in lines[2:]}


def read_partition(path: Path) -> dict[str, str]:
    """Per picture 0 for training, 1 for validation, 2 for testing.

    Raises:
        DataError: the file is missing, empty, or has another layout.
    """
    lines = _lines(path)
    for number, fields in enumerate(lines, 1):
        if len(fields) != 2 or fields[1] not in PARTITION.values():
            expected = f"a list whose line {number} is a file and 0, 1 or 2"
            raise CELEBA.error(path, expected, repr(" ".join(fields)[:60]))
    if not lines:
        raise CELEBA.error(path, "a list of files, each with 0, 1 or 2", "an empty file")
    return {fields[0]: fields[1] for fields in lines}


def _lines(path: Path) -> list[list[str]]:
    """The fields of all lines that are not empty."""
    try:
        return [fields for line in reading.content(path, LIST).decode().splitlines() if (fields := line.split())]
    except (OSError, UnicodeDecodeError, MemoryError) as error:
        raise CELEBA.error(path, "a text file to read", str(error)) from error


__all__ = ["load", "read_attributes", "read_partition"]
