"""Everything that is run on cpabx: ``nox -l`` lists it, ``nox -s demo`` and ``nox -s tests`` come first."""

from __future__ import annotations

import sys
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent))  # the command nox looks for modules beside itself alone

from sessions import checks, cuda, figures, matrix, native, on_devices, release, versions

__all__ = ["checks", "cuda", "figures", "matrix", "native", "on_devices", "release", "versions"]

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "c", "tests", "peers"]
nox.options.error_on_missing_interpreters = False
