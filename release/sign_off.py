"""What a person must still do, or know, before the files of a release are uploaded."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator

from packaging.requirements import Requirement

from release.projects import PROJECTS, ROOT, version
from release.table import Row


def missing(rows: Iterable[Row]) -> list[str]:
    """One line for each thing."""
    return [*_git(), *_changelog(), *_citation(), *_projects(), *_untried(rows)]


def _said_by_git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _git() -> Iterator[str]:
    if not _said_by_git("rev-parse", "HEAD"):
        yield "this is no clone: git cannot say what was built"
        return
    if changed := _said_by_git("status", "--porcelain"):
        yield f"a clean tree: {len(changed.splitlines())} files are changed or unknown to git"
    if f"v{version()}" not in _said_by_git("tag", "--points-at", "HEAD").split():
        yield f"the tag v{version()} on this commit"


def latest(changelog: str) -> tuple[str, str]:
    """Heading and text of the first section of a changelog."""
    found = re.search(r"^## (.+?)$(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return (found[1].strip(), found[2].strip()) if found else ("", "")


def _changelog() -> Iterator[str]:
    heading, text = latest((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    if not re.fullmatch(rf"{re.escape(version())} \(\d{{4}}-\d{{2}}-\d{{2}}\)", heading):
        yield f"the date of the release in CHANGELOG.md: '## {version()} (YYYY-MM-DD)', not '## {heading}'"
    for what, number in interfaces().items():
        if f"{what} {number}" not in text:
            yield f"'{what} {number}' in the latest section of CHANGELOG.md, as the sources have it"
    since = _said_by_git("describe", "--tags", "--abbrev=0", "--match", "v*")
    if since and since != f"v{version()}" and not _said_by_git("diff", "--stat", since, "--", "CHANGELOG.md"):
        yield f"an entry in CHANGELOG.md: there is none since {since}"


def interfaces() -> dict[str, str]:
    """Names of what has a number of its own, and that number."""
    header = (ROOT / "libcpab/include/cpab.h").read_text(encoding="utf-8")
    hooks = (ROOT / "src/cpabx/hookspecs.py").read_text(encoding="utf-8")
    abi, api = re.search(r"CPAB_ABI_VERSION = (\d+)", header), re.search(r"^API_VERSION.*= (\d+)", hooks, re.MULTILINE)
    assert abi is not None
    assert api is not None
    return {"ABI": abi[1], "plugin API": api[1]}


def _citation() -> Iterator[str]:
    if f"\nversion: {version()}\n" not in (ROOT / "CITATION.cff").read_text(encoding="utf-8"):
        yield f"version {version()} in CITATION.cff"


def _projects() -> Iterator[str]:
    licence = (ROOT / "LICENSE").read_bytes()
    for project in PROJECTS:
        settings = project.settings["project"]
        for line in settings.get("dependencies", ()):
            needed = Requirement(line)
            if needed.name == "cpabx" and not needed.specifier.contains(version(), prereleases=True):
                yield f"a range of cpabx with {version()} in {project.folder}/pyproject.toml, not {needed.specifier}"
        if (ROOT / project.folder / "LICENSE").read_bytes() != licence:
            yield f"the licence of all in {project.folder}/LICENSE"
        if project.follows and "urls" not in settings:
            yield f"the address of the sources, [project.urls], in {project.folder}/pyproject.toml"


def _untried(rows: Iterable[Row]) -> Iterator[str]:
    """What nobody has run is not held back, but said."""
    for row in rows:
        if row.file.endswith(".whl") and row.installed == "not run" and row.tests in ("not run", "left out", "none"):
            yield f"a trial of {row.file}, which nothing here has run"
