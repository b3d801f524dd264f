"""Labeled Faces in the Wild: pairs of photographs in the ten folds of View 2, and pairs formed anew.

Layout below root: ``lfw/pairs.txt`` and ``lfw/lfw*``, the folder or the tar archive (.tar, .tgz, .tar.gz) with
``lfw*/Some_Body/Some_Body_0001.jpg``; the original, the funneled and the deep-funneled photographs have one layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError
from cpabx_experiments import reading
from cpabx_experiments.data import pictures
from cpabx_experiments.data.archive import Limits, find
from cpabx_experiments.data.dataset import Array, Pairs
from cpabx_experiments.data.form import form_pairs
from cpabx_experiments.data.sources import SOURCES

#: Sides of a photograph, and folds of View 2.
SIDE, FOLDS = 250, 10
#: Bytes of a photograph and of pairs.txt, which has 155,335; and files: 13,233 photographs of 5,749 people.
LIMITS, LIST = Limits(file=1 << 20, whole=4 << 30, names=50_000), 1 << 20

LFW = SOURCES["lfw"]
Face = tuple[str, int]


def folds(root: Path, size: int | None = None, *, crop: int | None = None, cache: Path | None = None) -> list[Pairs]:
    """The ten folds of View 2 in the restricted setting; all share their images.

    Args:
        root: folder of all data sets.
        size: side of the images, reduced from 250 or from the crop; None leaves them as they are.
        crop: side of the square around the middle that is kept. By default all is: where the face is, is for a
            transformer to find.
        cache: a folder for the reduced images.

    Raises:
        DataError: pairs.txt or a photograph is missing, damaged, or another.
        OptionError: a size larger than the crop, or a crop larger than 250.
    """
    return list(faces(root, size, crop=crop, cache=cache).folds)


@dataclass(frozen=True)
class Faces:
    """Photographs of known people.

    Attributes:
        images: (M, side, side, 3) uint8.
        people: (M,) int64, who is on them.
        folds: the ten of View 2, of these images.
        fold_of: (people,) int64, the fold that has a person.
    """

    images: Array
    people: NDArray[np.int64]
    folds: tuple[Pairs, ...]
    fold_of: NDArray[np.int64]

    def unrestricted(self, test: int, positive: int, negative: int, seed: int) -> Pairs:
        """Training pairs of the unrestricted setting, formed from all people who are not in the test fold.

        No pair comes twice, in either order. The positive ones are drawn from all pairs of images of one person, so
        that people with many images have the most; the negative ones from all pairs of images of two.

        Raises:
            OptionError: there are not so many pairs, or there is no such fold.
        """
        if not 0 <= test < len(self.folds):
            raise OptionError(f"the test fold is one of 0 to {len(self.folds) - 1}", repr(test), "Choose one.")
        allowed = np.flatnonzero(self.fold_of[self.people] != test)
        left, right, same = form_pairs(self.people[allowed], positive, negative, seed)
        return Pairs(f"lfw unrestricted, without fold {test}", self.images, allowed[left], allowed[right], same)


def faces(
    root: Path,
    size: int | None = None,
    *,
    crop: int | None = None,
    everything: bool = False,
    cache: Path | None = None,
) -> Faces:
    """The photographs of View 2, its folds, and who is on them.

    Args:
        root: folder of all data sets.
        size: of the images, as for :func:`folds`.
        crop: of the photographs, as for :func:`folds`.
        everything: take all photographs of the people in pairs.txt, not only those that its pairs name: there are
            some 8,000 pairs of one person among those, and many times as many among all.
        cache: a folder for the reduced images.

    Raises:
        DataError, OptionError: as for :func:`folds`.
    """
    pairs = read_pairs(root / "lfw" / "pairs.txt")
    archive = find(root / "lfw", ("lfw*/", "lfw*.tar", "lfw*.tgz", "lfw*.tar.gz"), 2, LFW, LIMITS)
    fold_of_name = {person: fold for fold, lines in enumerate(pairs) for pair in lines for person, _ in pair}
    people = sorted(fold_of_name)
    names = {_file(face) for lines in pairs for pair in lines for face in pair}
    if everything:
        names |= {name for name in archive.names() if name.partition("/")[0] in fold_of_name and name.endswith(".jpg")}
    ordered = sorted(names)
    sides = [None if side is None else (side, side) for side in (crop, size)]
    images = pictures.read(archive, ordered, pictures.View((SIDE, SIDE), *sides), cache)
    index, number = ({key: n for n, key in enumerate(keys)} for keys in (ordered, people))
    return Faces(
        images,
        np.array([number[name.partition("/")[0]] for name in ordered], np.int64),
        tuple(_fold(n, lines, images, index) for n, lines in enumerate(pairs)),
        np.array([fold_of_name[person] for person in people], np.int64),
    )


def _fold(number: int, pairs: list[tuple[Face, Face]], images: Array, index: dict[str, int]) -> Pairs:
    left, right = (np.array([index[_file(face)] for face in side], np.int64) for side in zip(*pairs, strict=True))
    same = np.array([one[0] == other[0] for one, other in pairs], np.float32)
    return Pairs(f"lfw fold {number}", images, left, right, same)


def _file(face: Face) -> str:
    person, number = face
    return f"{person}/{person}_{number:04d}.jpg"


def read_pairs(path: Path) -> list[list[tuple[Face, Face]]]:
    """The folds of a pairs.txt: per fold n pairs of one person, then n of two, each face a name and a number.

    The first line is the number of folds and n, then come lines ``name, number, number`` and
    ``name, number, name, number``, separated by tabulators.

    Raises:
        DataError: the file is missing, incomplete, or has another layout; or a person is in two folds.
    """
    try:
        lines = reading.content(path, LIST).decode().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LFW.error(path, "a text file to read", str(error)) from error
    n_folds, n = _first_line(path, lines)
    if len(lines) != 1 + n_folds * 2 * n:
        raise LFW.error(path, f"{1 + n_folds * 2 * n} lines, {2 * n} per fold and one before", f"{len(lines)}")
    pairs = [_pair(path, 2 + k, line, same=k % (2 * n) < n) for k, line in enumerate(lines[1:])]
    per_fold = [pairs[2 * n * fold : 2 * n * (fold + 1)] for fold in range(n_folds)]
    _check_apart(path, per_fold)
    return per_fold


def _first_line(path: Path, lines: list[str]) -> tuple[int, int]:
    try:
        n_folds, n = (int(number) for number in lines[0].split("\t"))
    except (IndexError, ValueError):
        n_folds, n = 0, 0
    if n_folds != FOLDS or not 1 <= n <= LIST:
        found = f"{lines[0][:60]!r} in line 1" if lines else "an empty file"
        raise LFW.error(path, f"View 2, which begins with {FOLDS} and the pairs per fold, as in '10\\t300'", found)
    return n_folds, n


def _pair(path: Path, number: int, line: str, *, same: bool) -> tuple[Face, Face]:
    fields = line.split("\t")
    try:
        if same:
            person, one, other = fields
            return (person, int(one)), (person, int(other))
        person, one, second, other = fields
        return (person, int(one)), (second, int(other))
    except ValueError:
        expected = "name, number, number" if same else "name, number, name, number"
        raise LFW.error(path, f"a file whose line {number} is {expected}", repr(line[:60])) from None


def _check_apart(path: Path, per_fold: list[list[tuple[Face, Face]]]) -> None:
    """Nobody may be trained on and tested with."""
    fold_of: dict[str, int] = {}
    for fold, pairs in enumerate(per_fold):
        for pair in pairs:
            for person, _ in pair:
                if fold_of.setdefault(person, fold) != fold:
                    found = f"{person[:100]} in fold {fold_of[person]} and in fold {fold}"
                    raise LFW.error(path, "ten folds that have no person in common", found)


__all__ = ["Faces", "faces", "folds", "read_pairs"]
