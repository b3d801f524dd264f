"""Files are written whole or not at all, into a folder that was checked before anything was trained."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from cpabx_experiments.errors import ExperimentError

#: Of errors that space would mend: no space, no share of it left, a file larger than may be.
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def check_folder(out: Path) -> None:
    """Raises ExperimentError unless the folder exists, or can be made, and takes files. Makes nothing."""
    existing = next(folder for folder in (out, *out.absolute().parents) if os.path.lexists(folder))
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        kind = "is a file" if existing.exists() else "is a link to nothing"
        found = "takes no files" if existing.is_dir() else kind
        raise ExperimentError(
            f"--out must be a folder to write to, {out}", f"{existing}, which {found}", "Choose another."
        )


def unwritable(path: Path, error: OSError) -> ExperimentError:
    """What to raise when a file cannot be written."""
    remedy = "Choose another folder, or change who may write there."
    if error.errno in _FULL:
        remedy = "Free some space there: the files from before are whole, and the same command goes on from them."
    return ExperimentError(f"{path} must be written", error.strerror or str(error), remedy)


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    """Writes files beside their places first and moves them there when all are complete, and on the disk.

    Raises:
        ExperimentError: one cannot be written. The files from before are then as they were, and no others are there.
    """
    path, unfinished = folder, {name: folder / f".{name}.{secrets.token_hex(4)}" for name in files}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            path = folder / name
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, "it is a folder")
            with unfinished[name].open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for name in files:
            path = folder / name
            os.replace(unfinished[name], path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        for left in unfinished.values():
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)


def write(path: Path, content: bytes) -> None:
    """:func:`write_all` of one file."""
    write_all(path.parent, {path.name: content})


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """While it lasts, no other process is in the folder in this way.

    The lock is on the folder itself: nothing is left behind, and it ends with the process, however that ends.

    Raises:
        ExperimentError: another one is.
    """
    try:
        import fcntl
    except ImportError:  # Windows cannot lock a folder
        yield
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExperimentError(
                f"{folder} must have one run at a time", "another that is at work", "Wait, or choose another --out."
            ) from None
        except OSError:  # a file system without such locks
            pass
        yield
    finally:
        os.close(descriptor)


__all__ = ["alone", "check_folder", "unwritable", "write", "write_all"]
