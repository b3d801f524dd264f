"""The command, as a user has it: options, errors, a small data set in its official format, Ctrl-C."""

import gzip
import importlib.util
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from cpabx.__main__ import main
from cpabx.errors import MissingPackageError
from cpabx.testing.plugin import backend_or_skip
from cpabx_experiments import options
from cpabx_experiments.kinds import FILES, OWN, TABLE
from cpabx_experiments.output import figures, folder
from cpabx_experiments.protocol.experiments import NAMES, REDUCED
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.training.run import perform
from experiments.tests.run_cases import digits, run_in

for module in ("rich", "matplotlib"):
    pytest.importorskip(module)
Image = pytest.importorskip("PIL.Image")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """40 images to train on and 20 to test on, in IDX files."""
    path, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    (path / "mnist").mkdir()
    for name, n in (("train", 40), ("t10k", 20)):
        images = np.zeros((n, 28, 28), np.uint8)
        images[:, 9:19, 9:19] = rng.integers(1, 256, (n, 10, 10))
        for kind, array in (("images-idx3", images), ("labels-idx1", (np.arange(n) % 10).astype(np.uint8))):
            header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
            (path / "mnist" / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return path


def call(*arguments):
    return main(["experiment", *map(str, arguments)])


def small(root, out, backend="torch", epochs=2):
    """Options of mnist-rts with 20 images and one seed."""
    data = ("--data", root, "--out", out, "--backend", backend)
    return ("mnist-rts", *data, "--subset", 20, "--epochs", epochs, "--seeds", 1, "--threads", 1)


def told(out):
    """All results but those of a clock."""
    rows = [line.split(",") for line in (out / "epochs.csv").read_text().splitlines()]
    return [row[:7] for row in rows]


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mnist-rst"], "Did you mean 'mnist-rts'?"),
        (["mnist", "--backend", "numpy"], "--backend is one of torch, tensorflow"),
        (["speed", "--epochs", "3", "--full"], "--epochs, --full"),
        (["speed", "--models", "CNN", "--basis", "nodal"], "--models, --basis"),
        (["mnist", "--models", "ST-CBAP"], "got ST-CBAP. Choose among them"),
        (["mnist", "--basis", "svd"], "got 'svd'"),
        (["digits", "--full"], "digits has one protocol"),
        (["mnist", "--data", "nowhere"], "nowhere"),
        (["mnist", "--resume", "--out", "nothing"], "--resume needs a run"),
        (["mnist", "--out", __file__], "is a file"),
        (["mnist", "--show", "nowhere.png"], "--show nowhere.png must be a picture"),
        (["pca", "--show", __file__], "--show is for experiments that make samples.png; got pca"),
        (["speed", "--show", __file__], "--show is for experiments that make samples.png; got speed"),
    ],
)
def test_what_the_user_can_mend_is_said_with_status_2(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", *arguments]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments", [[], ["mnist", "--epochs", "0"], ["mnist", "--seeds", "x"], ["mnist", "--fresh", "--resume"]]
)
def test_wrong_usage_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["experiment", *arguments])
    assert caught.value.code == 2
    assert "usage: python -m cpabx experiment" in capsys.readouterr().err


def test_a_missing_package_is_named_with_the_command_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(options.PACKAGES, "no_such_module", "no-such-package")
    assert main(["experiment", "mnist"]) == 2
    assert re.search(r"no-such-package.*pip install cpabx-experiments", capsys.readouterr().err)


def test_scikit_learn_is_asked_for_by_the_digits_alone(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(options.importlib.util, "find_spec", lambda name: None if name == "sklearn" else real(name))
    options.check_packages("mnist")
    with pytest.raises(MissingPackageError, match=r"no scikit-learn\. Run: pip install cpabx-experiments"):
        options.check_packages("digits")


def test_a_dry_run_tells_of_the_picture_of_pictures_shown(capsys):
    assert main(["experiment", "mnist", "--dry-run", "--show", "mine.png"]) == 0
    assert f"accuracy.png, {OWN}." in capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_a_dry_run_tells_and_writes_nothing(name, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["experiment", name, "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert f"results/{name}-torch" in said
    assert re.search(r"Would write to .*\.csv", said)
    if name != "speed":
        assert re.search(r"\| (ST-Affine|ST-CPAB)( FCN)? \| [\d,]+ \|", said)
        assert re.search(r"\d+ trainings, of which 0 are complete", said)
        assert re.search("Expected time: .*[.]", said)
        assert ("they come with scikit-learn" if name == "digits" else "missing") in said  # the data
    assert list(tmp_path.iterdir()) == []


def test_a_basis_has_a_folder_of_its_own_and_is_told(capsys):
    assert main(["experiment", "mnist-rts", "--dry-run", "--basis", "normalized", "--models", "ST-CPAB CNN"]) == 0
    said = capsys.readouterr().out
    assert "The theta of CPAB is that of its normalized basis." in said
    assert "3 trainings, of which 0 are complete in results/mnist-rts-torch-normalized." in said


def test_a_dry_run_imports_no_framework():
    code = "import sys; from cpabx.__main__ import main; main(['experiment', 'pca', '--dry-run']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "cpabx_experiments.probes.pca" in loaded
    assert not loaded & {"torch", "tensorflow", "keras", "matplotlib", "rich", "PIL", "sklearn"}


# -- the whole -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_an_experiment_writes_its_files_and_is_not_done_twice(backend, root, tmp_path, capsys, monkeypatch):
    backend_or_skip(backend)
    two = replace(REDUCED["mnist-rts"], models=("CNN", "ST-CPAB CNN"))  # of seven: Keras takes seconds for each
    monkeypatch.setitem(REDUCED, "mnist-rts", two)
    out = tmp_path / "out"
    assert call(*small(root, out, backend, epochs=1)) == 0
    assert "| ST-CPAB CNN | 0.982 |" in capsys.readouterr().out
    files = {path.name for path in out.iterdir()}
    assert files == {*FILES, *TABLE.files, "checkpoints"}
    before = told(out)
    assert call(*small(root, out, backend, epochs=1), "--resume") == 0
    assert told(out) == before
    Image.new("RGB", (60, 50)).save(tmp_path / "mine.jpg")
    assert call(*small(root, out, backend, epochs=1), "--show", tmp_path / "mine.jpg") == 0
    assert (out / OWN).read_bytes().startswith(b"\x89PNG")
    assert told(out) == before
    assert call(*small(root, out, backend, epochs=3)) == 2
    assert "epochs is 1 there and 3 here" in capsys.readouterr().err


@pytest.mark.parametrize("backend", ["torch", "tensorflow"])
def test_digits_need_no_data(backend, tmp_path, monkeypatch):
    pytest.importorskip("sklearn")
    backend_or_skip(backend)
    monkeypatch.setitem(REDUCED, "digits", replace(REDUCED["digits"], models=("CNN", "ST-CPAB")))
    monkeypatch.chdir(tmp_path)
    few = ("--epochs", 1, "--subset", 100, "--seeds", 1, "--threads", 1)
    assert call("digits", "--backend", backend, "--download", *few) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
    out = tmp_path / "results" / f"digits-{backend}"
    assert {path.name for path in out.iterdir()} == {*FILES, *TABLE.files, "checkpoints"}
    said = (out / "results.md").read_text()
    assert "The protocol: 100 to train on, 1500 to test on" in said
    assert "500 digits, each distorted in 3 ways" in said


def test_the_digits_before_distortion_are_the_first_row_of_the_picture(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "samples", lambda rows: shown.extend(rows) or figures.new_figure(1, 1))
    run = run_in(tmp_path)
    results, test = perform(run), digits()
    for before in (None, test):
        TABLE.finish(replace(run, source=lambda job, before=before: Material(test, test, before)), results)
    names = [name for name, _ in shown]
    assert names == ["as given", "ST-Affine", "before distortion", "as given", "ST-Affine"]
    assert all(images.shape == (10, 28, 28, 1) for _, images in shown)


#: Becomes another program, also where a shell has what runs in the background ignore Ctrl-C.
HEEDS_CTRL_C = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_ctrl_c_leaves_a_checkpoint_from_which_the_same_command_ends_with_the_same_bits(root, tmp_path):
    """In a process of its own, which is interrupted."""
    backend_or_skip("torch")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    command = [sys.executable, "-W", "ignore", "-m", "cpabx", "experiment", *map(str, small(root, parts))]
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDS_CTRL_C, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while not list(parts.glob("checkpoints/CNN*.npz")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert re.search(r"interrupted\. [1-6] of 7 trainings are complete .* The same command goes on", errors)
    for out in (whole, parts):
        assert call(*small(root, out)) == 0
    assert told(parts) == told(whole)


def test_two_processes_started_by_torchrun_come_to_the_same_numbers(root, tmp_path):
    backend_or_skip("torch")
    one, two = tmp_path / "one", tmp_path / "two"
    assert call(*small(root, one, epochs=1)) == 0
    run = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(free_port())]
    command = [sys.executable, "-W", "ignore", *run, "-m", "cpabx", "experiment", *map(str, small(root, two, epochs=1))]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env={**os.environ, "GLOO_SOCKET_IFNAME": "lo"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote ") == 1
    assert json.loads((two / folder.CONFIGURATION).read_text())["machine"]["processes"] == 2
    for mine, theirs in zip(told(one)[1:], told(two)[1:], strict=True):
        assert mine[:4] == theirs[:4]
        assert float(mine[4]) == pytest.approx(float(theirs[4]), rel=1e-4)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
