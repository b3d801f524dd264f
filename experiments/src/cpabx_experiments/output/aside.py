"""``--fresh``: results are moved aside first, and removed when there are new ones; whatever fails puts them back.

Every step is a renaming, and what it leaves says how far it came, so a process may end between any two of them:

1. The files go to a hidden folder beside them, the configuration first.
2. The new run writes its configuration, then its files.
3. After the first epoch of the new run the hidden folder gets another name, and is removed.

A run that finds the hidden folder under its first name puts the files back, and under its second one removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.files import unwritable

#: Names of the hidden folder, while its files may come back and when they will not.
BEFORE, REMOVED = ".cpabx-before-fresh", ".cpabx-removed"

PUT_BACK = "The results from before --fresh have been put back."


@contextlib.contextmanager
def set_aside(out: Path, names: Collection[str], first: str, new: Collection[str]) -> Iterator[Callable[[], None]]:
    """Moves files aside. Yields what removes them; a failure before that is called puts them back.

    Args:
        out: the folder.
        names: of the files below it; those that are not there do not matter.
        first: which goes first and comes back last. Where it is tells whose the folder is.
        new: names of what may be written while the context lasts, and is removed by a failure.
    """
    forgotten = False

    def forget() -> None:
        nonlocal forgotten
        if not forgotten:
            _forget(out)
        forgotten = True

    try:
        _move(out, names, first)
        yield forget
        forget()
    except BaseException as failure:
        if not forgotten and put_back(out, first, new):
            failure.add_note(PUT_BACK)
        raise


def _move(out: Path, names: Collection[str], first: str) -> None:
    before = out / BEFORE
    try:
        before.mkdir()
        for name in sorted(names, key=lambda name: (name != first, name)):
            if os.path.lexists(out / name):
                (before / name).parent.mkdir(exist_ok=True)
                os.rename(out / name, before / name)
    except OSError as error:
        raise unwritable(before, error) from error


def put_back(out: Path, first: str, new: Collection[str]) -> bool:
    """Whatever is aside takes its place again, and what was written since is removed. Returns whether anything was."""
    before = out / BEFORE
    try:
        if before.is_symlink() or not before.is_dir():
            return False
        if (before / first).exists():  # all was moved, or else there is nothing new yet
            for name in sorted(new, key=lambda name: (name == first, name)):
                (out / name).unlink(missing_ok=True)
        stored = [path.relative_to(before).as_posix() for path in before.rglob("*") if not path.is_dir()]
        for name in sorted(stored, key=lambda name: (name == first, name)):
            (out / name).parent.mkdir(exist_ok=True)
            os.replace(before / name, out / name)
        shutil.rmtree(before)
        return True
    except OSError as error:
        raise ExperimentError(
            f"the results in {before} must be put back",
            error.strerror or str(error),
            "Nothing is lost: the next run in this folder tries again.",
        ) from error


def _forget(out: Path) -> None:
    """The renaming decides; what of the rest fails is made up for by :func:`clean`."""
    try:
        os.rename(out / BEFORE, out / REMOVED)
    except OSError as error:
        raise unwritable(out / BEFORE, error) from error
    clean(out)


def clean(out: Path) -> None:
    """Removes what was to be removed."""
    shutil.rmtree(out / REMOVED, ignore_errors=True)


__all__ = ["BEFORE", "PUT_BACK", "clean", "put_back", "set_aside"]
