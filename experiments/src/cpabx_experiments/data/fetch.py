"""Downloads of the official files, where a network is there."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from cpabx.errors import OptionError
from cpabx_experiments.data.sources import SOURCES, File, Source
from cpabx_experiments.errors import DataError

#: Called with a file's name, the bytes that came, and how many there will be, None if the server does not say.
Progress = Callable[[str, int, int | None], None]

#: Seconds without a byte after which a server is given up, and bytes at a time.
PATIENCE, BLOCK = 30.0, 1 << 18


def fetch(name: str, root: Path, progress: Progress | None = None) -> list[Path]:
    """Download what is missing of a data set into its folder below root; a file that is there is left alone.

    A file gets its name when it is complete and its checksum right, so an interrupted download leaves nothing.

    Args:
        name: of the data set.
        root: folder of all data sets; it is made if need be.
        progress: called after every block.

    Returns:
        The files that were downloaded.

    Raises:
        DataError: the network, the server or the disk fails, a file is not the official one, or the data set's
            publisher wants a browser; the message says how to get the file by hand.
        OptionError: no such data set.
    """
    if name not in SOURCES:
        raise OptionError(f"a data set is one of {', '.join(SOURCES)}", repr(name), "Choose one.")
    return fetch_source(SOURCES[name], root / name, progress)


def fetch_source(source: Source, folder: Path, progress: Progress | None = None) -> list[Path]:
    """:func:`fetch` from any source into any folder."""
    if not source.files:
        raise source.error(folder, "filled by hand", "a data set that is not offered for direct download")
    missing = [file for file in source.files if not (folder / file.name).exists()]
    for file in missing:
        _download(file, folder, source, progress or (lambda name, done, total: None))
    return [folder / file.name for file in missing]


def _download(file: File, folder: Path, source: Source, progress: Progress) -> None:
    path = folder / file.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as unfinished:
            part = Path(unfinished) / file.name
            with urllib.request.urlopen(file.url, timeout=PATIENCE) as response, part.open("wb") as out:
                digest = _copy(response, out, file, progress)
            if digest != file.checksum:
                raise source.error(path, f"downloaded from {file.url} with checksum {file.checksum}", digest)
            os.replace(part, path)
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        message = str(error) or type(error).__name__
        raise DataError(f"{path} must be downloaded from {file.url}", message, source.remedy) from error


def _copy(response: http.client.HTTPResponse, out: IO[bytes], file: File, progress: Progress) -> str:
    """Writes what comes, and returns its checksum."""
    algorithm = file.checksum.partition(":")[0]
    digest, done = hashlib.new(algorithm, usedforsecurity=False), 0
    length = response.headers.get("Content-Length")
    total = int(length) if length and length.isdigit() else None
    while block := response.read(BLOCK):
        out.write(block)
        digest.update(block)
        done += len(block)
        progress(file.name, done, total)
    if total is not None and done < total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
    return f"{algorithm}:{digest.hexdigest()}"


__all__ = ["Progress", "fetch", "fetch_source"]
