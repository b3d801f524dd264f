"""The demo in small: same data every time, equal budgets, files written or nothing at all."""

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

DEMO = Path(__file__).parents[1]
EXTRAS = ("sklearn", "matplotlib", "rich")
MISSING = [name for name in EXTRAS if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"the demo needs {', '.join(MISSING)}")


def _backend(name):
    missing = [m for m in (name, f"cpabx_{name}") if importlib.util.find_spec(m) is None]
    return pytest.param(name, marks=pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}"))


BACKENDS = [_backend("torch"), _backend("tensorflow")]


def run_demo(*arguments, **environment):
    """The command as a user types it."""
    command = [sys.executable, str(DEMO), *map(str, arguments)]
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=env, check=False)


# -- data ------------------------------------------------------------------------------------------


def test_data_are_the_same_every_time():
    import data

    for one, other in zip(data.load(50, 20), data.load(50, 20), strict=True):
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_training_and_test_digits_are_disjoint_and_all_there():
    import data
    from protocol import TEST_COPIES, TEST_DIGITS

    train, test = data.load()
    assert train.images.shape == (1297, 42, 42, 1)
    assert test.images.shape == (TEST_DIGITS * TEST_COPIES, 42, 42, 1)
    trained = {digit.tobytes() for digit in train.originals}
    assert not any(digit.tobytes() in trained for digit in test.originals)


def test_copies_of_a_test_digit_differ():
    import data

    _, test = data.load(1, 10)
    for a, b in ((0, 10), (10, 20)):
        np.testing.assert_array_equal(test.originals[a : a + 10], test.originals[b : b + 10])
        assert all(np.abs(test.images[a + i] - test.images[b + i]).max() > 0.2 for i in range(10))


def test_distortion_keeps_digits_on_the_canvas():
    import data

    train, _ = data.load(200, 1)
    ink = train.images.sum((1, 2, 3)) / train.originals.sum((1, 2))
    assert train.images.min() >= 0
    assert train.images.max() <= 1
    assert np.all((ink > 0.5) & (ink < 2))


def test_enlarging_keeps_constants_and_orientation():
    import data

    np.testing.assert_allclose(data.enlarge(np.ones((1, 8, 8)), 28), 1, atol=1e-6)
    rows = np.broadcast_to(np.arange(8.0)[:, None], (1, 8, 8))
    enlarged = data.enlarge(rows, 16)[0]
    np.testing.assert_allclose(enlarged[1:-1, 0], np.arange(0.25, 7, 0.5), atol=1e-6)
    np.testing.assert_allclose(enlarged, enlarged[:, :1] + np.zeros(16), atol=1e-6)


# -- models ----------------------------------------------------------------------------------------


@pytest.fixture
def models(request):
    import experiment

    import cpabx

    with cpabx.use_backend(request.param):
        yield experiment.importlib.import_module(experiment.FRAMEWORKS[request.param])


@pytest.mark.parametrize("models", BACKENDS, indirect=True)
def test_budgets_are_equal_within_2_percent(models):
    from experiment import hidden_width
    from protocol import BUDGET, MODELS

    assert len(MODELS) == 7
    for model in MODELS:
        count = models.count(models.build(model, hidden_width(models, model), seed=0))
        assert abs(count - BUDGET) <= 0.02 * BUDGET, (model.name, count)


@pytest.mark.parametrize("models", BACKENDS, indirect=True)
def test_every_classifier_starts_with_the_same_view(models):
    """A transformer starts as the identity; at half the size that is the mean over 2x2 pixels."""
    import data
    from protocol import MODELS

    images = data.load(8, 1)[0].images
    plain, *others = (models.views(models.build(model, 4, seed=0), images) for model in MODELS)
    for view in others:
        np.testing.assert_allclose(view, plain, atol=1e-5)


def test_frameworks_count_the_same_parameters():
    pytest.importorskip("cpabx_torch")
    pytest.importorskip("cpabx_tensorflow")
    import with_tensorflow
    import with_torch
    from protocol import MODELS

    import cpabx

    for model in MODELS:
        counts = []
        for backend, module in (("torch", with_torch), ("tensorflow", with_tensorflow)):
            with cpabx.use_backend(backend):
                counts.append(module.count(module.build(model, 20, seed=0)))
        assert counts[0] == counts[1], model.name


# -- the command -----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", BACKENDS)
def test_quick_run_writes_table_and_picture(backend, tmp_path):
    out = tmp_path / "results" / "demo"
    done = run_demo("--backend", backend, "--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    names = {f"accuracy_{backend}.csv", f"accuracy_{backend}.md", f"digits_{backend}.png"}
    assert {path.name for path in out.iterdir()} == names
    rows = list(csv.DictReader((out / f"accuracy_{backend}.csv").read_text().splitlines()))
    assert [row["model"] for row in rows][::6] == ["CNN", "ST-Affine+CPAB"]
    assert all(0 <= float(row["accuracy_seed_0"]) <= 1 and float(row["seconds_per_epoch"]) > 0 for row in rows)
    assert "| ST-CPAB |" in (out / f"accuracy_{backend}.md").read_text()
    assert (out / f"digits_{backend}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("backend", [_backend("torch")])
def test_one_seed_gives_one_table(backend, tmp_path):
    accuracies = []
    for name in ("a", "b"):
        assert run_demo("--backend", backend, "--quick", "--epochs", 2, "--out", tmp_path / name).returncode == 0
        rows = csv.DictReader((tmp_path / name / f"accuracy_{backend}.csv").read_text().splitlines())
        accuracies.append([row["accuracy_seed_0"] for row in rows])
    assert accuracies[0] == accuracies[1]


def complaint(*arguments):
    done = run_demo(*arguments)
    assert done.returncode == 2, done.stdout
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_unknown_backend():
    assert "choose one of torch, tensorflow" in complaint("--backend", "jax")


@pytest.mark.parametrize("backend", BACKENDS[:1])
def test_out_is_a_file(backend, tmp_path):
    file = tmp_path / "file"
    file.write_text("mine")
    assert "is a file" in complaint("--backend", backend, "--out", file)
    assert "file" in complaint("--backend", backend, "--out", file / "below")
    assert file.read_text() == "mine"


@pytest.mark.parametrize("option", ["--seeds", "--epochs", "--threads"])
def test_numbers_below_1(option):
    assert f"{option} must be at least 1; got 0" in complaint(option, "0")


def test_missing_package(monkeypatch):
    import options

    real = importlib.util.find_spec
    monkeypatch.setattr(options.importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    with pytest.raises(options.DemoError, match=r"pip install .*scikit-learn"):
        options.parse(["--backend", "torch"])


def test_all_files_or_none(tmp_path):
    from demo_run import write_all
    from options import DemoError

    (tmp_path / "b").mkdir()
    with pytest.raises(DemoError, match="cannot write"):
        write_all(tmp_path, {"a": b"1", "no/such/folder": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
