"""What runs of a wheel that was built for a platform: its installation, and the C tests of its library."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from release.build import build_folder, runner
from release.projects import Platform

#: Seconds for one test in an emulator, which takes a hundred times as long as without.
SECONDS = 1500


def c_tests(builds: Path, platform: Platform) -> str:
    """A word for a table: how many of the C tests passed, and in what."""
    where = runner(platform)
    if where is None:
        return "not run"
    build = build_folder(builds, platform)
    options = ["--parallel", "2", "--output-on-failure", "--timeout", str(SECONDS)]
    quiet = os.environ | {"WINEDEBUG": "-all"}
    done = subprocess.run(
        ["ctest", "--test-dir", str(build), *options], capture_output=True, text=True, check=False, env=quiet
    )
    counted = re.search(r"(\d+) tests failed out of (\d+)", done.stdout)
    if done.returncode or not counted:
        print(done.stdout, done.stderr, file=sys.stderr)
    if not counted:
        return "FAILED"
    failed, total = map(int, counted.groups())
    return f"{total - failed} of {total} passed, {where}" + (" FAILED" if failed else "")
