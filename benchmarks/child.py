"""A module of ours run in a new process: what happens once per process cannot be repeated within one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


class ChildError(Exception):
    """It failed; says how."""


def result_of(module: str, *arguments: str, **environment: str) -> Any:
    """What ``python -m module arguments`` prints last, as JSON."""
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, check=False
    )
    if done.returncode:
        raise ChildError((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[-1])
    return json.loads(done.stdout.strip().splitlines()[-1])
