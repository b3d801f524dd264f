"""A wheel in a fresh environment, where no compiler can be found: imports, ``info``, and numbers of the reference."""

from __future__ import annotations

import os
import sys
import venv
from collections.abc import Iterable
from pathlib import Path

from release.build import BuildError, command

PROGRAM = Path(__file__).with_name("smoke_program.py")


def python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run(folder: Path, wheels: Iterable[str], imports: Iterable[str]) -> str:
    """Installs wheels into a new environment and runs the program there. Returns what it printed.

    Raises:
        BuildError: a wheel does not install, or does not work.
    """
    venv.create(folder, with_pip=True, clear=True)
    # Nothing but its own programs can be found, and nothing of this tree be imported.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "CPAB"))}
    env = kept | {"PATH": str(python(folder).parent), "CC": "none", "CXX": "none"}
    install = (python(folder), "-m", "pip", "install", "--quiet", "--only-binary=:all:")
    command(*install, "scipy", "pytest", *wheels, env=env)
    return command(python(folder), "-I", PROGRAM, *imports, env=env, timeout=600)


def try_here(folder: Path, wheels: list[str], imports: list[str]) -> str:
    """A word for a table: whether the program ran here."""
    try:
        run(folder, wheels, imports)
    except BuildError as error:
        print(error, file=sys.stderr)
        return "FAILED"
    return "passed"
