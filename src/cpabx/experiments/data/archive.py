"""Files of a data set, wherever they are: in a folder, a tar archive or a zip archive. Nothing is unpacked."""

from __future__ import annotations

import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from cpabx.experiments.data.sources import Source

#: What reading an archive raises when the archive is damaged, or not what its name says.
_DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


class Archive:
    """A folder, tar or zip file, whose files go by the last ``depth`` parts of their paths, joined by slashes.

    Raises (all methods):
        DataError: it cannot be read, is damaged, or lacks a file that was asked for.
    """

    def __init__(self, path: Path, depth: int, source: Source) -> None:
        self.path, self.depth, self.source = path, depth, source

    def where(self, name: str) -> Path:
        """What an error calls a file."""
        return (self.path.parent if self.path.is_dir() else self.path) / name

    def names(self) -> list[str]:
        """Of all files, sorted."""
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
            found = f"an incomplete one, without {min(missing)}{others}"
            raise self.source.error(self.path, f"a folder or archive with all {len(wanted)} files", found)

    def _guarded(self, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
        try:
            yield from self._files(wanted)
        except _DAMAGE as error:
            message = str(error) or type(error).__name__
            raise self.source.error(self.path, "a folder, or a whole tar or zip archive", message) from error

    def _files(self, wanted: set[str]) -> Iterator[tuple[str, bytes | None]]:
        """Every file's name, and its content as long as it is wanted."""
        if self.path.is_dir():
            for path in sorted(path for path in self.path.rglob("*") if path.is_file()):
                name = self._name(path.relative_to(self.path.parent).as_posix())
                yield name, path.read_bytes() if name in wanted else None
        elif self.path.suffix == ".zip":
            with zipfile.ZipFile(self.path) as opened:
                for info in opened.infolist():
                    if not info.is_dir():
                        name = self._name(info.filename)
                        yield name, opened.read(info) if name in wanted else None
        else:
            with tarfile.open(self.path) as tar:
                for member in tar:
                    if member.isfile():
                        name = self._name(member.name)
                        file = tar.extractfile(member) if name in wanted else None
                        yield name, file.read() if file else None

    def _name(self, path: str) -> str:
        return "/".join(PurePosixPath(path).parts[-self.depth :])


def find(folder: Path, patterns: Collection[str], depth: int, source: Source) -> Archive:
    """The first folder or archive in ``folder`` that matches a pattern, the patterns being in order of preference."""
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            return Archive(path, depth, source)
    raise source.error(folder, f"a folder with one of {', '.join(patterns)}", "none of them")


__all__ = ["Archive", "find"]
