"""What a session installs: wheels as users get them, built once in a run of nox."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import nox

from sessions.settings import CONSTRAINTS, PLUGINS, PYPROJECT

#: What has been built in this run: by path of the project.
WHEELS: dict[str, Path] = {}


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PYPROJECT, name))


def wheel(session: nox.Session, project: str, *options: str) -> str:
    """The wheel of a project, which may end in an extra: built once in a run of nox, for all of its sessions."""
    path, bracket, extra = project.partition("[")
    if options or path not in WHEELS:
        out = session.cache_dir.resolve() / "wheels" / (Path(path).name or "cpabx")
        shutil.rmtree(out, ignore_errors=True)
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), *options, path)
        (WHEELS[path],) = out.glob("*.whl")
    return f"{WHEELS[path]}{bracket}{extra}"


def install(session: nox.Session, backend: str, *groups: str, constraints: str | Path | None = CONSTRAINTS) -> None:
    """Core, plugins and experiments, as wheels: what is tested is what users get."""
    requirements = [requirement for name in groups for requirement in group(name)]
    wheels = [wheel(session, project) for project in (".", *PLUGINS[backend])]
    session.install("--no-deps", "--force-reinstall", *wheels)  # also where an environment is reused
    session.install(*(["-c", str(constraints)] if constraints else []), *wheels, *requirements)


def keep_installed(session: nox.Session, *requirements: str) -> None:
    """Install into an environment that is kept, if it is new or what it holds has changed."""
    projects = [Path("pyproject.toml"), Path("experiments/pyproject.toml"), Path("constraints.txt")]
    wanted = hashlib.sha256(repr(requirements).encode() + b"".join(p.read_bytes() for p in projects)).hexdigest()
    installed = Path(session.virtualenv.location) / "installed.sha256"
    if not installed.exists() or installed.read_text() != wanted:
        session.install("-c", "constraints.txt", *requirements)
        installed.write_text(wanted)
