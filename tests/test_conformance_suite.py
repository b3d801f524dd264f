"""The suite's own promises: missing is skipped, required or broken fails, and five lines are enough."""

import os
import subprocess
import sys

import pytest

FILE = """
from cpabx.testing import backend_fixture
from cpabx.testing.flow import *

backend = backend_fixture("{name}")

def test_it(backend):
    assert backend.name == "{name}"
"""


def run(tmp_path, name, *arguments, **environment):
    (tmp_path / "test_it.py").write_text(FILE.format(name=name))
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    inherited = {k: v for k, v in os.environ.items() if k != "CPABX_TEST_BACKENDS"}
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rsfE", "test_it.py", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**inherited, "PYTHONPATH": os.pathsep.join(paths), **environment},
        check=False,
    )
    return result.returncode, result.stdout


@pytest.mark.slow
def test_missing_backend_is_skipped_with_a_reason(tmp_path):
    code, out = run(tmp_path, "nowhere", "-k", "test_it")
    assert code == 0
    assert "SKIPPED" in out
    assert "'nowhere'" in out


@pytest.mark.slow
def test_missing_backend_that_is_required_fails(tmp_path):
    code, out = run(tmp_path, "nowhere", "-k", "test_it", CPABX_TEST_BACKENDS="numpy, nowhere")
    assert code == 1
    assert "CPABX_TEST_BACKENDS requires 'nowhere'" in out


@pytest.mark.slow
def test_broken_backend_fails(tmp_path):
    info = tmp_path / "cpabx_broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: cpabx-broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cpabx.backends]\nbroken = no_such_module\n")
    code, out = run(tmp_path, "broken", "-k", "test_it")
    assert code == 1
    assert "no_such_module" in out
    assert "SKIPPED" not in out


@pytest.mark.slow
def test_plugin_is_tested_by_an_import(tmp_path):
    """With nothing but the file: no configuration of the project that runs it."""
    code, out = run(tmp_path, "numpy", "-k", "inverse and 1x1")
    assert code == 0, out
    assert " passed" in out
    assert "skipped" not in out


def test_everything_is_exported():
    """A class that conformance.py forgets would never run."""
    import importlib
    import pkgutil

    import cpabx.testing
    from cpabx.testing import conformance

    found = set()
    for module in pkgutil.iter_modules(cpabx.testing.__path__):
        names = vars(importlib.import_module(f"cpabx.testing.{module.name}"))
        found |= {name for name in names if name.startswith("Test")}
    assert found == set(conformance.__all__)
    assert len(found) > 10


@pytest.mark.parametrize("setting", ["", " ", "numpy", "numpy, torch ,"])
def test_required_names_are_separated_by_commas(monkeypatch, setting):
    from cpabx.testing.plugin import required_backends

    monkeypatch.setenv("CPABX_TEST_BACKENDS", setting)
    assert required_backends() == {name.strip() for name in setting.split(",")} - {""}
