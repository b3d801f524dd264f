"""The template of a backend, copied and renamed by the commands in its README."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

TEMPLATE = Path(__file__).parents[1] / "backends/template"
TEST = """
from cpabx.testing import backend_fixture
from cpabx.testing.contract import *

backend = backend_fixture("mine")
"""


@pytest.fixture
def mine(tmp_path):
    """A directory with ``cpabx-mine``, as the commands that come before pip leave it."""
    (commands,) = re.findall(r"```sh\n(.*?)python -m pip", (TEMPLATE / "README.md").read_text(), re.DOTALL)
    script = f"set -e\n{commands}"
    subprocess.run(
        ["bash", "-c", script], cwd=TEMPLATE.parents[1], env={**os.environ, "HOME": str(tmp_path)}, check=True
    )
    return tmp_path / "cpabx-mine"


def test_nothing_is_left_of_the_name(mine):
    files = [path for path in mine.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert len(files) > 5
    for path in files:
        assert "template" not in str(path.relative_to(mine)).lower()
        assert "template" not in path.read_text().lower()


def test_copy_conforms(mine):
    """Found by its entry point under its new name; the contract alone, the original runs the whole suite."""
    project = tomllib.loads((mine / "pyproject.toml").read_text())["project"]
    ((group, entries),) = project["entry-points"].items()
    info = mine / "src" / f"cpabx_mine-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()))
    (mine / "test_contract.py").write_text(TEST)
    path = os.pathsep.join([str(mine / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_contract.py"],
        cwd=mine,
        env={**os.environ, "PYTHONPATH": path, "CPABX_TEST_BACKENDS": "mine"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    assert " passed" in result.stdout
