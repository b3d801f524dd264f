"""What is checked without running the tests: style, types, documentation."""

from __future__ import annotations

from pathlib import Path

import nox

from sessions.install import group, install
from sessions.settings import ONE_THREAD, QUIET


@nox.session
def lint(session: nox.Session) -> None:
    """Style of Python and C++."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    places = [Path(p) for p in ("libcpab", "backends/tensorflow", "benchmarks", "examples/plugins/jax/cc", "runtimes")]
    files = (path for place in places for path in place.rglob("*") if "build" not in path.parts)
    sources = sorted(str(path) for path in files if path.suffix in {".h", ".c", ".cpp", ".cu"})
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the frontend and of the torch backend."""
    install(session, "torch", "types", "test")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, in docs/_build: runs all examples (4 minutes in all); a warning is an error."""
    install(session, "all", "docs")
    options = ["--fresh-env", "--fail-on-warning", "--keep-going", *session.posargs]
    session.run("sphinx-build", *options, "docs", "docs/_build", env={**QUIET, **ONE_THREAD, "MPLBACKEND": "agg"})
