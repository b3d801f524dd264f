"""Files whose content is not to be trusted: only regular ones are opened, and no more of them is read than fits."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

#: Characters that a message shows of a file's text.
_SHOWN = 80


def opened(path: Path) -> BinaryIO:
    """A regular file to read. Whatever else has the name is not waited for, as a FIFO would be.

    Raises:
        OSError: the file cannot be opened, or is none.
    """
    wanted = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, wanted)
    try:
        if not stat.S_ISREG(mode := os.fstat(descriptor).st_mode):
            raise OSError(f"{_kind(mode)}, not a file")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a FIFO", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def content(path: Path, most: int) -> bytes:
    """The content of a regular file.

    Raises:
        OSError: the file cannot be read, is none, or has more than ``most`` bytes.
    """
    with opened(path) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise OSError(f"more than {most:,} bytes")
    return found


def shown(value: object) -> str:
    """What a message says of a value from a file: text is cut short, and what has parts is named by its type alone.

    A ``repr()`` of nested tuples from a few hundred bytes can take for ever.
    """
    if isinstance(value, (str, bytes)):
        return repr(value[:_SHOWN]) + ("..." if len(value) > _SHOWN else "")
    if isinstance(value, int):
        return str(value) if value.bit_length() < 200 else f"a number of {value.bit_length()} bits"
    return repr(value) if value is None or isinstance(value, float) else f"a {type(value).__name__}"


def named(name: str) -> str:
    """What a message says of a name from a file, without quotes: cut short, and no terminal obeys it."""
    return repr(name[:_SHOWN])[1:-1] + ("..." if len(name) > _SHOWN else "")


__all__ = ["content", "named", "opened", "shown"]
