"""What goes to an index."""

from __future__ import annotations

import os

import nox

from sessions.install import group


@nox.session
def wheels(session: nox.Session) -> None:
    """Wheels for five platforms, compiled by zig, and tried as far as can be. ``-- --platform TAG ...`` for some."""
    session.install(*group("release"))
    builds = session.cache_dir.resolve() / "wheels_by_zig"
    session.run("python", "-m", "release", "wheels", "--builds", str(builds), *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """All files of a release in dist/, what is wrong with them, and what a person must still do. Uploads nothing."""
    session.install(*group("release"))
    builds = session.cache_dir.resolve() / "wheels_by_zig"
    session.run("python", "-m", "release", "release", "--builds", str(builds), *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Wheels and source distributions of all packages, in dist/, by the compiler of this machine."""
    session.install("build")
    for project in (".", "backends/torch", "backends/tensorflow", "runtimes/onnxruntime", "experiments"):
        session.run("python", "-m", "build", "--outdir", os.path.abspath("dist"), project)
