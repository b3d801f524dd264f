"""Files of a data set, wherever they are: in a folder, a tar archive or a zip archive. Nothing is unpacked."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cpabx_experiments import reading
from cpabx_experiments.data.sources import Source
from cpabx_experiments.reading import named

#: What reading an archive raises when the archive is damaged, or not what its name says.
_DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError),
    *(MemoryError, OverflowError),
)
#: Bytes that are passed over at a time.
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Limits:
    """More than there is in an official archive: a small one may say that it holds more than any memory.

    Attributes:
        file: bytes of one file that is read.
        whole: bytes of a tar archive, inflated.
        names: files and folders in it.
    """

    file: int
    whole: int
    names: int


class Archive:
    """A folder, tar or zip file, whose files go by the last ``depth`` parts of their paths, joined by slashes.

    Raises (all methods):
        DataError: it cannot be read, is damaged, lacks a file that was asked for, or is larger than its limits.
    """

    def __init__(self, path: Path, depth: int, source: Source, limits: Limits) -> None:
        self.path, self.depth, self.source, self.limits = path, depth, source, limits

    def where(self, name: str) -> Path:
        """What an error calls a file."""
        return (self.path.parent if self.path.is_dir() else self.path) / name

    def names(self) -> list[str]:
        """The names of all files, sorted."""
        return sorted(name for name, _ in self._guarded(set()))

    def read(self, wanted: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Name and content of each wanted file, in the archive's order: a compressed one is read once.

        Of two files of one name the first counts.
        """
        missing = set(wanted)
        for name, content in self._guarded(missing):
            if content is not None:
                missing.discard(name)
                yield name, content
            if not missing:
                return
        if missing:
            others = f" and {len(missing) - 1} others" if len(missing) > 1 else ""
            found = f"an incomplete one, without {named(min(missing))}{others}"
            raise self.source.error(self.path, f"a folder or archive with all {len(wanted)} files", found)

    def _guarded(self, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
        try:
            for number, found in enumerate(self._files(wanted)):
                if number >= self.limits.names:
                    raise ValueError(f"more than {self.limits.names:,} files")
                yield found
        except _DAMAGE as error:
            message = str(error)[:200] or type(error).__name__
            raise self.source.error(self.path, "a folder, or a whole tar or zip archive", message) from error

    def _files(self, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
        """Every file's name, and its content as long as it is wanted; of a tar archive folders and links, too."""
        if self.path.is_dir():
            for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
                name = self._name(path.relative_to(self.path.parent).as_posix())
                yield name, reading.content(path, self.limits.file) if name in wanted else None
        elif self.path.suffix == ".zip":
            with reading.opened(self.path) as file, zipfile.ZipFile(file) as opened:
                for info in opened.infolist():
                    if not info.is_dir():
                        name = self._name(info.filename)
                        yield name, self._of_zip(opened, info) if name in wanted else None
        else:
            with reading.opened(self.path) as file, _inflated(file) as inflated:
                yield from self._members(_Forward(inflated, self.limits), wanted)

    def _members(self, file: _Forward, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                name = self._name(member.name)
                yield name, self._of_tar(tar, member) if name in wanted and member.isfile() else None

    def _of_zip(self, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others reserve memory as they say
            raise ValueError(f"{named(info.filename)} compressed by method {info.compress_type}, not deflated")
        self._check(info.filename, info.file_size)
        with opened.open(info) as file:
            return file.read(info.file_size)  # without a number, all that is packed is inflated

    def _of_tar(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
        self._check(member.name, member.size)
        file = None if member.issparse() else tar.extractfile(member)
        if file is None:
            raise ValueError(f"{named(member.name)} with holes")
        return file.read()

    def _check(self, name: str, size: int) -> None:
        if size > self.limits.file:
            raise ValueError(f"{named(name)} of {size:,} bytes, more than {self.limits.file:,}")

    def _name(self, path: str) -> str:
        return "/".join(PurePosixPath(path).parts[-self.depth :])


@contextlib.contextmanager
def _inflated(file: BinaryIO) -> Iterator[BinaryIO]:
    """A tar archive as it is, or out of gzip; of no other compression, which may reserve memory as it likes."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    if not packed:
        yield file
        return
    with gzip.GzipFile(fileobj=file) as inflated:
        yield inflated  # type: ignore[misc]


class _Forward(io.RawIOBase):
    """What tarfile reads: never back, no more at a time than a file has, and no more in all than an archive has.

    A header may say that a name has gigabytes, or that the next file begins before this one.
    """

    def __init__(self, file: BinaryIO, limits: Limits) -> None:
        self._file, self._limits, self._at = file, limits, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= max(self._limits.file, _BLOCK) + 1:
            raise ValueError(f"a part of {size:,} bytes, more than {self._limits.file:,}")
        content = self._file.read(size)
        self._at += len(content)
        if self._at > self._limits.whole:
            raise ValueError(f"more than {self._limits.whole:,} bytes")
        return content

    def seek(self, position: int, whence: int = 0) -> int:
        if whence or position < self._at:
            raise ValueError("a header that leads back")
        while self._at < position and self.read(min(_BLOCK, position - self._at)):
            pass
        return self._at


def find(folder: Path, patterns: Collection[str], depth: int, source: Source, limits: Limits) -> Archive:
    """The first folder or archive in ``folder`` that matches a pattern, the patterns being in order of preference."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return Archive(path, depth, source, limits)
    raise source.error(folder, f"a folder with one of {', '.join(patterns)}", "none of them")


__all__ = ["Archive", "Limits", "find"]
