"""The demo runs, is fair, and writes what it promises."""

import csv
import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import cpabx

DEMO = Path(__file__).parents[1]
for package in ("sklearn", "matplotlib", "rich"):
    pytest.importorskip(package, reason="the demo's packages: pip install scikit-learn matplotlib rich")

installed = {info.name for info in cpabx.available_backends(load=False)}
each_framework = pytest.mark.parametrize(
    "backend",
    [
        pytest.param(name, marks=pytest.mark.skipif(name not in installed, reason=f"cpabx-{name} is not installed"))
        for name in ("torch", "tensorflow")
    ],
)


@pytest.fixture
def demo(monkeypatch):
    """Imports a module of the demo."""
    monkeypatch.syspath_prepend(str(DEMO))
    return importlib.import_module


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(DEMO), *map(str, arguments)], capture_output=True, text=True, check=False
    )


@each_framework
def test_all_models_have_the_same_budget(demo, backend):
    protocol, framework = demo("protocol"), demo(f"run_{backend}")
    sizes = [framework.n_params(framework.build(layer, 0)) for layer in protocol.MODELS.values()]
    assert sizes == pytest.approx([protocol.BUDGET] * 7, rel=protocol.BUDGET_TOLERANCE)


def test_data_is_the_same_every_time_and_split_by_digit(demo):
    data = demo("data")
    (training, test), (again, _) = data.load(), data.load()
    assert np.array_equal(training.images, again.images)
    assert (len(training.images), len(test.images)) == (1297, 1500)
    assert training.images.shape[1:] == (42, 42, 1)
    assert np.bincount(training.classes).min() > 100
    first = test.images[:500]  # the same digits under another distortion
    assert not any(np.array_equal(a, b) for a, b in zip(first, test.images[500:1000], strict=True))
    assert np.array_equal(test.classes[:500], test.classes[500:1000])


@each_framework
def test_quick_run_writes_table_and_picture(tmp_path, backend):
    done = run("--quick", "--backend", backend, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "accuracy.csv").open()))
    assert len(rows) == 7
    assert all(0 <= float(row["accuracy"]) <= 1 and float(row["seconds per epoch"]) > 0 for row in rows)
    assert (tmp_path / "out" / "accuracy.md").read_text().count("\n") == 9
    assert (tmp_path / "out" / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert not list((tmp_path / "out").glob("*.part"))


def test_mistakes_get_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    done = run("--out", tmp_path / "file")
    assert (done.returncode, "is a file" in done.stderr) == (2, True)
    done = run("--backend", "jax")
    assert (done.returncode, "invalid choice" in done.stderr) == (2, True)
    done = run("--seeds", "0")
    assert (done.returncode, "less than 1" in done.stderr) == (2, True)
