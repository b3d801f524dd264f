"""Every check of every file: our own, and those of twine, check-wheel-contents and auditwheel."""

from __future__ import annotations

import re
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from release import binaries, contents
from release.build import BuildError, command
from release.projects import PLATFORMS, PROJECTS, Platform, Project


def project_of(path: Path) -> Project:
    (found,) = (project for project in PROJECTS if path.name.startswith(f"{project.file_name}-"))
    return found


def platform_of(path: Path) -> Platform | None:
    """Of a wheel with libcpab."""
    if project_of(path).builds != "platforms" or path.suffix != ".whl":
        return None
    return next((platform for platform in PLATFORMS if path.stem.endswith(platform.tag)), None)


def complaints(path: Path) -> Iterator[str]:
    """Everything that is wrong with a file."""
    yield from contents.complaints(path, project_of(path))
    yield from _refused(path, "twine", "check", "--strict", path)
    if path.suffix != ".whl":
        return
    # A plugin that is one file is fine, and so is a wheel with a library.
    yield from _refused(path, "check_wheel_contents", path)
    if platform := platform_of(path):
        yield from _library(path, platform)
        if platform.tag.startswith("manylinux"):
            yield from audit(path, platform)


def _refused(path: Path, module: str, *arguments: str | Path) -> Iterator[str]:
    try:
        command(sys.executable, "-m", module, *arguments)
    except BuildError as error:
        yield f"{path.name}: {error}"


def _library(path: Path, platform: Platform) -> Iterator[str]:
    inside = f"cpabx/native/{platform.library}"
    compiled = [name for name in contents.names(path) if re.search(r"\.(so|dylib|dll|a|lib)$", name)]
    if compiled != [inside]:
        yield f"{path.name} must have {inside} and no other library; it has {compiled}"
        return
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        yield from binaries.complaints(Path(archive.extract(inside, folder)), platform)


def audit(path: Path, platform: Platform) -> Iterator[str]:
    """Auditwheel's word on the tag: the oldest Linux that a wheel is for may be older than what it says, not newer."""
    said = " ".join(command(sys.executable, "-m", "auditwheel", "show", path).split())
    found = re.search(r'consistent with the following platform tag: "(manylinux_(\d+)_(\d+)_\w+)"', said)
    promised = tuple(map(int, re.findall(r"manylinux_(\d+)_(\d+)", platform.tag)[0]))
    if not found or tuple(map(int, found.groups()[1:])) > promised:
        yield f"{path.name}: auditwheel says: {said}"
