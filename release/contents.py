"""What a built file says of itself: version, licence, description, and what is in it that should not be."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

from release.projects import Project, version

#: Of the index, with room to spare; a source distribution that is larger has something in it that does not build it.
MOST_BYTES = {".whl": 100 << 20, ".gz": 1 << 20}
#: What no source distribution needs.
NOT_TO_SEND = ("benchmarks", "backends", "experiments", "images", "corpus", "build", ".github", ".nox")


def names(path: Path) -> list[str]:
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    with tarfile.open(path) as archive:
        return archive.getnames()


def read(path: Path, pattern: str) -> str:
    """The one file of an archive whose name matches."""
    (name,) = (name for name in names(path) if re.fullmatch(pattern, name))
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as archive:
            return archive.read(name).decode()
    with tarfile.open(path) as archive:
        file = archive.extractfile(name)
        assert file is not None
        return file.read().decode()


def metadata(path: Path) -> Message:
    return Parser().parsestr(read(path, r"[^/]+\.dist-info/METADATA" if path.suffix == ".whl" else r"[^/]+/PKG-INFO"))


def relative_links(description: str) -> list[str]:
    """Links and pictures that lead nowhere from the page of an index."""
    return [link for link in re.findall(r"\]\(([^)\s]+)", description) if not re.match(r"https?://|#|mailto:", link)]


def complaints(path: Path, project: Project) -> Iterator[str]:
    """What is wrong with a wheel or a source distribution."""
    said, inside = metadata(path), names(path)
    if project.follows and said["Version"] != version():
        yield f"{path.name} has version {said['Version']}, not {version()}"
    if not any(re.search(r"(^|/)LICENSE$", name) for name in inside) or said["License-Expression"] is None:
        yield f"{path.name} has no licence, or does not name it"
    if project.follows and (links := relative_links(str(said.get_payload()))):
        yield f"{path.name} has a description with links that an index cannot follow: {', '.join(links)}"
    if path.stat().st_size > MOST_BYTES[path.suffix]:
        yield f"{path.name} has {path.stat().st_size} bytes, more than {MOST_BYTES[path.suffix]}"
    if path.suffix == ".gz":
        folders = {part for name in inside for part in PurePosixPath(name).parent.parts[1:]}
        if unwanted := sorted(folders & set(NOT_TO_SEND)):
            yield f"{path.name} has {', '.join(unwanted)}, which do not build it"
