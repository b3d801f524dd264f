"""What a job is trained on, and tested with: the data that its protocol names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpabx_experiments import data
from cpabx_experiments.data import Dataset, Pairs, celeba
from cpabx_experiments.data.distortions import distort
from cpabx_experiments.data.lfw import Faces, faces
from cpabx_experiments.data.sources import SOURCES
from cpabx_experiments.data.subset import subset
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.jobs import Job

#: Of subsets and distortions, apart from those of trainings. A test set never has that of a training set.
SUBSET_SEED, TRAIN_SEED, TEST_SEED = 0, 1, 2


@dataclass(frozen=True)
class Material:
    """Training and test data of one job.

    Attributes:
        train, test: the data.
        before: the images of the test data before they were distorted, if they were.
    """

    train: Dataset | Pairs
    test: Dataset | Pairs
    before: Dataset | None = None


Source = Callable[[Job], Material]


def material(protocol: Protocol, root: Path, cache: Path | None = None) -> Source:
    """Reads the data set and returns what gives a job its part of it.

    Args:
        protocol: that says what to read, and how much of it.
        root: folder of all data sets.
        cache: a folder for what takes long to read.

    Raises:
        DataError: a file is missing or damaged.
        MissingPackageError: the package that has the data is not installed.
        OptionError: the data set has fewer images than the protocol wants.
    """
    if protocol.data == "lfw":
        found = faces(root, protocol.side, everything=protocol.everything, cache=cache)
        return functools.lru_cache(maxsize=1)(lambda job: _fold(protocol, found, job))
    if protocol.data == "celeba":
        sizes = {"train": protocol.train, "test": protocol.test}
        both = Material(*(celeba.load(root, part, first=n, cache=cache) for part, n in sizes.items()))
        return lambda job: both
    name, kind = DISTORTED.get(protocol.data, (protocol.data, ""))
    train, test = (data.load(name, root, part) for part in ("train", "test"))
    train, test = _part(train, protocol.train), _part(test, protocol.test)
    whole = Material(train, test)
    if kind:
        whole = Material(distort(kind, train, TRAIN_SEED), distort(kind, test, TEST_SEED), before=test)
    return lambda job: whole


#: Data sets that are made of another one, and how.
DISTORTED = {"digits": ("digits", "sliding"), "mnist-rts": ("mnist", "rts"), "mnist-cpab": ("mnist", "cpab")}


def source_name(protocol: Protocol) -> str | None:
    """The folder of the data set below the root; None if it comes with a package."""
    name = DISTORTED.get(protocol.data, (protocol.data, ""))[0]
    return name if name in SOURCES else None


def _part(whole: Dataset, n: int | None) -> Dataset:
    return whole if n is None else subset(whole, n, SUBSET_SEED)


def _fold(protocol: Protocol, found: Faces, job: Job) -> Material:
    """Tested on one fold, trained on the nine others, or on pairs formed from their people."""
    test = found.folds[job.fold]
    if protocol.formed is not None:
        train = found.unrestricted(job.fold, protocol.formed, protocol.formed, job.seed)
    else:
        others = [fold for number, fold in enumerate(found.folds) if number != job.fold]
        sides = (np.concatenate([getattr(fold, side) for fold in others]) for side in ("left", "right", "same"))
        train = Pairs(f"lfw, without fold {job.fold}", found.images, *sides)
    return Material(
        train if protocol.train is None else subset(train, protocol.train, job.seed),
        test if protocol.test is None else subset(test, protocol.test, job.seed),
    )


__all__ = ["Material", "Source", "material", "source_name"]
