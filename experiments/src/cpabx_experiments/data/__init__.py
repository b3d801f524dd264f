"""Data sets in their official formats, with the same arrays for every framework."""

from __future__ import annotations

from pathlib import Path

from cpabx.errors import OptionError
from cpabx_experiments.data import celeba, cifar, digits, idx
from cpabx_experiments.data.dataset import Dataset, Pairs

_READERS = {"mnist": idx.load, "fashion-mnist": idx.load, "cifar10": cifar.load, "cifar100": cifar.load}
NAMES = (*_READERS, "celeba", "digits")


def load(name: str, root: Path, part: str) -> Dataset:
    """A part of a data set, from the official files in the folder ``name`` below root.

    Args:
        name: one of :data:`NAMES`. LFW has pairs instead: :func:`cpabx_experiments.data.lfw.folds`; the digits come
            with scikit-learn, not from root.
        root: folder of all data sets.
        part: ``"train"`` or ``"test"``.

    Raises:
        DataError: a file is missing, damaged, or another; the message says which, and where to get it.
        MissingPackageError: a package that has, or reads, the data set is not installed.
        OptionError: no such data set or part.
    """
    if name not in NAMES:
        raise OptionError(f"a data set is one of {', '.join(NAMES)}", repr(name), "Choose one.")
    if part not in ("train", "test"):
        raise OptionError("a part is 'train' or 'test'", repr(part), "Choose one.")
    if name == "digits":
        return digits.load(part)
    return celeba.load(root, part) if name == "celeba" else _READERS[name](name, root, part)


__all__ = ["NAMES", "Dataset", "Pairs", "load"]
