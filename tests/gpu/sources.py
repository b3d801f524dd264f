"""The project's packages as they lie here, without an installation.

A machine with a GPU may have no network, and a Python that is not ours to install into. What an installation would
add to the sources is a version and the entry points by which plugins are found: they are written beside.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from pathlib import Path

#: Folders of projects that tests and benchmarks of a GPU import.
PROJECTS = (".", "backends/torch")


def write_metadata(project: Path, folder: Path) -> None:
    """What ``importlib.metadata`` reads of a project, from its pyproject.toml, into a folder of the path."""
    described = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    name = described["name"]
    version = (Path(__file__).parents[2] / "libcpab" / "VERSION").read_text(encoding="utf-8").strip()
    target = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    target.mkdir(parents=True)
    (target / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
    lines = []
    for group, entries in described.get("entry-points", {}).items():
        lines += [f"[{group}]", *(f"{entry} = {place}" for entry, place in entries.items())]
    (target / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def environment(root: Path, metadata: Path, libraries: Path) -> dict[str, str]:
    """Variables with which Python takes the projects from `root`, and the libraries from the folder of their build.

    Args:
        root: of the project.
        metadata: a folder for what is written; its contents go.
        libraries: where libcpab and libcpab_cuda are built; the header joins them.
    """
    shutil.rmtree(metadata, ignore_errors=True)
    for project in PROJECTS:
        write_metadata(root / project, metadata)
    libraries.mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "libcpab" / "include" / "cpab.h", libraries / "cpab.h")
    before = [path] if (path := os.environ.get("PYTHONPATH")) else []
    places = [str(metadata), *(str((root / project / "src").resolve()) for project in PROJECTS), *before]
    return {"PYTHONPATH": os.pathsep.join(places), "CPABX_LIBRARY_DIR": str(libraries)}
