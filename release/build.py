"""Wheels and source distributions of every project, in a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from release.projects import PLATFORMS, PROJECTS, ROOT, Platform, Project

TOOLCHAIN = ROOT / "libcpab" / "cmake" / "zig.cmake"


class BuildError(Exception):
    """A command of a build failed; what it printed is the message."""


def command(*arguments: str | Path, env: dict[str, str] | None = None, timeout: float = 7200) -> str:
    """Runs a program. Returns what it printed.

    Raises:
        BuildError: it did not succeed.
    """
    given = [str(argument) for argument in arguments]
    done = subprocess.run(
        given, capture_output=True, text=True, check=False, cwd=ROOT, env=env, timeout=timeout, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise BuildError(f"{' '.join(given)}\n{done.stdout}{done.stderr}")
    return done.stdout


def zig() -> Path:
    """The compiler of the package ziglang."""
    import ziglang

    return Path(ziglang.__file__).with_name("zig.exe" if os.name == "nt" else "zig")


def source(project: Project, out: Path) -> Path:
    """A source distribution."""
    return _made(project, out, "tar.gz", "--sdist", "--skip-dependency-check", project.folder)  # no framework


def wheels(project: Project, out: Path, builds: Path, platforms: tuple[Platform, ...] = PLATFORMS) -> list[Path]:
    """The wheels of a project. ``builds`` keeps what was compiled for a later run."""
    if project.builds == "platforms":
        return [_for_platform(project, out, builds, platform) for platform in platforms]
    if project.builds == "here":
        return [_for_this_machine(project, out)]
    return [_made(project, out, "whl", "--wheel", project.folder)]


def build_folder(builds: Path, platform: Platform) -> Path:
    return builds / platform.tag


def _for_platform(project: Project, out: Path, builds: Path, platform: Platform) -> Path:
    """Compiled by zig, together with the C tests where something here can run them."""
    defined = {
        "CMAKE_TOOLCHAIN_FILE": TOOLCHAIN.as_posix(),
        "CPAB_ZIG": zig().as_posix(),
        "CPAB_ZIG_TARGET": platform.target,
        "CPAB_BUILD_TESTS": "ON" if runner(platform) else "OFF",
    }
    options = [f"-Ccmake.define.{name}={value}" for name, value in defined.items()]
    options += [f"-Cbuild-dir={build_folder(builds, platform)}", "-Cinstall.strip=false"]
    jobs = {"CMAKE_BUILD_PARALLEL_LEVEL": os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", "2")}
    apart = out / platform.tag
    built = _made(project, apart, "whl", "--wheel", *options, project.folder, env=os.environ | jobs)
    # The tag is of the machine that compiles; what it was compiled for is known better here.
    command(sys.executable, "-m", "wheel", "tags", "--platform-tag", platform.tag, "--remove", built)
    (tagged,) = apart.glob("*.whl")
    (out / tagged.name).unlink(missing_ok=True)
    moved = Path(shutil.move(tagged, out))
    apart.rmdir()
    return moved


def _for_this_machine(project: Project, out: Path) -> Path:
    """By this machine's compiler, beside the framework, which its settings name for the build; tagged by auditwheel."""
    for earlier in out.glob(f"{project.file_name}-*.whl"):
        earlier.unlink()
    apart = out / project.file_name
    built = _made(project, apart, "whl", "--wheel", project.folder, isolated=True)
    if sys.platform == "linux":
        # What another package brings is not copied into this one.
        theirs = [f"--exclude={name}" for name in ("libtensorflow*", "libcpab*")]
        command(sys.executable, "-m", "auditwheel", "repair", *theirs, "--wheel-dir", out, built)
        built.unlink()
    else:
        shutil.move(built, out / built.name)
    apart.rmdir()
    (made,) = out.glob(f"{project.file_name}-*.whl")
    return made


def runner(platform: Platform) -> str | None:
    """What runs programs of a platform here: a name for tables, or None if nothing does."""
    if platform.runs is None:
        return "this machine" if platform.target.startswith(_here()) else None
    return platform.runs[1] if shutil.which(platform.runs[0]) else None


def _here() -> str:
    import platform

    return f"{platform.machine().lower()}-{platform.system().lower()}"


def _made(
    project: Project, out: Path, ending: str, *options: str, env: dict[str, str] | None = None, isolated: bool = False
) -> Path:
    out.mkdir(parents=True, exist_ok=True)
    apart = () if isolated else ("--no-isolation",)
    before = {path: path.stat().st_mtime_ns for path in out.glob(f"*.{ending}")}
    command(sys.executable, "-m", "build", *apart, "--outdir", out, *options, env=env)
    made = [path for path in out.glob(f"{project.file_name}-*.{ending}") if before.get(path) != path.stat().st_mtime_ns]
    if len(made) != 1:
        raise BuildError(f"{project.name}: one file that ends in {ending} was to be built, and not {made}")
    return made[0]


def all_sources(out: Path) -> list[Path]:
    return [source(project, out) for project in PROJECTS]
