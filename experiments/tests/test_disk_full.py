"""Disks that are full, or of others: the error names the file and what to do, and what was there stays whole."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from cpabx_experiments import cli, conduct, files
from cpabx_experiments.data import lfw
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.output import folder
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.protocol.network import shapes
from cpabx_experiments.training.engines import Training, checkpoints
from cpabx_experiments.training.engines.checkpoints import identity
from cpabx_experiments.training.records import Record
from experiments.tests import faces as made
from experiments.tests.engine_cases import network
from experiments.tests.run_cases import FakeEngine, digits
from experiments.tests.test_checkpoints import DESCRIBED, NET, state

resource = pytest.importorskip("resource", reason="this system has no limits of files")

#: With these, space would help.
FULL = {errno.ENOSPC: "No space left", errno.EDQUOT: "quota", errno.EFBIG: "too large"}
OTHER = {errno.EACCES: "Permission denied", errno.EROFS: "Read-only", errno.EIO: "Input/output"}


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def failing(code, at):
    """A function of ``os`` that fails at its n-th call."""
    left = [at]

    def call(*arguments):
        left[0] -= 1
        if not left[0]:
            raise OSError(code, os.strerror(code))

    return call


def save_checkpoint(path):
    checkpoints.write(path, state(2), DESCRIBED)


def save_record(path):
    Record(5).write(path)


def save_figure(path):
    files.write_all(path.parent, {"first.csv": b"new", path.name: b"\x89PNG"})


SAVES = [save_checkpoint, save_record, save_figure]


@pytest.mark.parametrize("save", SAVES)
@pytest.mark.parametrize("step", ["replace", "fsync"])
@pytest.mark.parametrize("code", [*FULL, *OTHER])
def test_what_cannot_be_written_is_named_and_the_file_before_stays(tmp_path, monkeypatch, save, step, code):
    path = tmp_path / "file.npz"
    path.write_text("before")
    real, at = getattr(os, step), 2 if save is save_figure else 1
    fails = failing(code, at)
    monkeypatch.setattr(os, step, lambda *arguments: (fails(), real(*arguments)))
    with pytest.raises(ExperimentError) as caught:
        save(path)
    monkeypatch.undo()
    said = str(caught.value)
    assert f"{path} must be written; got {os.strerror(code)}" in said
    assert ("Free some space" in said) == (code in FULL)
    assert path.read_text() == "before"
    assert [name for name in names(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize("save", SAVES)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path, save):
    (tmp_path / "file.npz").mkdir()
    with pytest.raises(ExperimentError, match=r"file\.npz must be written; got it is a folder"):
        save(tmp_path / "file.npz")
    assert names(tmp_path) == ["file.npz"]  # and none of the others was written


@pytest.mark.parametrize("save", SAVES)
def test_a_file_in_the_place_of_the_folder_is_named(tmp_path, save):
    (tmp_path / "checkpoints").write_text("")
    with pytest.raises(ExperimentError, match="checkpoints"):
        save(tmp_path / "checkpoints" / "file.npz")


def test_an_interruption_leaves_no_file_and_the_one_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("before")

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "file", b"after")
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "before"


def test_files_are_for_all_whom_the_system_lets_read_them(tmp_path):
    """Temporary files of the library are for their owner alone."""
    (tmp_path / "usual").write_text("")
    files.write(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_link_is_replaced_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "precious").write_text("precious")
    (tmp_path / "results.md").symlink_to("precious")
    files.write(tmp_path / "results.md", b"results")
    assert (tmp_path / "precious").read_text() == "precious"
    assert not (tmp_path / "results.md").is_symlink()


# -- a limit of the system, in place of a full disk ------------------------------------------------


@contextlib.contextmanager
def at_most(size):
    """Limits the size of files; Python turns the signal into an error. The report of pytest may be a longer file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_checkpoint_that_does_not_fit_leaves_the_one_before(tmp_path):
    path = tmp_path / "file.npz"
    checkpoints.write(path, state(1), DESCRIBED)
    expected = r"file\.npz must be written; got File too large.*Free some space"
    with at_most(path.stat().st_size // 2), pytest.raises(ExperimentError, match=expected):
        checkpoints.write(path, state(2), DESCRIBED)
    assert checkpoints.read(path, NET, DESCRIBED).epoch == 1
    assert names(tmp_path) == ["file.npz"]


def test_a_cache_that_does_not_fit_is_an_error_and_not_a_signal(tmp_path):
    """It is mapped: a page that the disk has no room for would end the process."""
    pytest.importorskip("PIL", reason="photographs need Pillow")
    made.write_lfw(tmp_path, made.lfw_images(), "tar")
    expected = r"cache/lfw-25x25-\w+\.npy must be written; got File too large"
    with at_most(10_000), pytest.raises(ExperimentError, match=expected):
        lfw.folds(tmp_path, 25, cache=tmp_path / "cache")
    assert names(tmp_path / "cache") == []


def test_the_space_of_a_cache_is_reserved_before_it_is_mapped(tmp_path, monkeypatch):
    pytest.importorskip("PIL", reason="photographs need Pillow")
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("this system cannot reserve space")
    made.write_lfw(tmp_path, made.lfw_images(), "tar")
    monkeypatch.setattr(os, "posix_fallocate", failing(errno.ENOSPC, 1))
    with pytest.raises(ExperimentError, match=r"\.npy must be written; got No space left"):
        lfw.folds(tmp_path, 25, cache=tmp_path / "cache")
    assert names(tmp_path / "cache") == []


# -- checkpoints that are damaged ------------------------------------------------------------------


def npz(path, **arrays):
    np.savez_compressed(path, **arrays)


def a_header(path, text):
    npz(path, header=np.array(text))


def huge(path):
    """Its array says that it has 2^60 numbers."""
    import zipfile

    save_checkpoint(path)
    parts = {}
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = "weights_0.npy"
    array = np.lib.format.magic(1, 0)
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846976,), }".ljust(117) + b"\n"
    parts[name] = array + len(header).to_bytes(2, "little") + header
    with zipfile.ZipFile(path, "w") as archive:
        for each, content in parts.items():
            archive.writestr(each, content)


DAMAGED = {
    "nothing": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_bytes(b"text"),
    "an object": lambda path: npz(path, header=np.array(None, object)),
    "no header": lambda path: npz(path, a=np.ones(3)),
    "a number": lambda path: a_header(path, "3"),
    "a list": lambda path: a_header(path, "[]"),
    "too deep": lambda path: a_header(path, "[" * 100_000),
    "no number of the epoch": lambda path: a_header(path, json.dumps({"format": 1, **DESCRIBED})),
    "huge": huge,
    "a folder": lambda path: path.mkdir(),
    "a FIFO": lambda path: os.mkfifo(path),
}


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    path = tmp_path / "file.npz"
    damage(path)
    with pytest.raises(checkpoints.CheckpointError, match=r"file\.npz must be a checkpoint"):
        checkpoints.read(path, NET, DESCRIBED)


def test_weights_of_another_shape_are_no_checkpoint(tmp_path):
    path = tmp_path / "file.npz"
    wrong = state(1)
    wrong.means[0] = np.zeros((2, 2), np.float32)
    assert shapes(NET)[0] != (2, 2)
    checkpoints.write(path, wrong, DESCRIBED)
    with pytest.raises(checkpoints.CheckpointError, match=r"file\.npz must be a checkpoint.*means_0"):
        checkpoints.read(path, NET, DESCRIBED)
    assert identity(network("ST-CPAB"), Training(epochs=3), 0) == DESCRIBED


# -- the command -----------------------------------------------------------------------------------


ARGUMENTS = ["mnist", "--models", "CNN", "--seeds", "1", "--epochs", "2"]


@pytest.fixture
def fake(monkeypatch):
    for module in ("cpabx_torch", "rich", "matplotlib"):
        pytest.importorskip(module)
    engine, whole = FakeEngine(), Material(digits(), digits())
    monkeypatch.setattr(conduct, "load_engine", lambda name: engine)
    monkeypatch.setattr(conduct, "material", lambda *arguments: lambda job: whole)
    return engine


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES])
def test_wherever_the_command_cannot_write_it_names_a_file_and_goes_on_later(tmp_path, fake, monkeypatch, capsys, code):
    """Each file in turn is one too many: status 2, no traceback, no unfinished file, and the next command ends well."""
    out, real, named = tmp_path / "out", os.replace, set()
    for step in range(1, 20):
        fails = failing(code, step)

        def replace(source, target, fails=fails):
            fails()
            real(source, target)

        monkeypatch.setattr(os, "replace", replace)
        status = cli.main([*ARGUMENTS, "--out", str(out), *(["--fresh"] if step > 1 else [])])
        monkeypatch.setattr(os, "replace", real)
        said = capsys.readouterr().err
        if not status:
            break
        assert status == 2
        assert "Traceback" not in said
        assert os.strerror(code) in said
        named |= {name for name in said.split() if name.startswith(str(out))}
        assert [name for name in names(out) if "/." in f"/{name}"] == []
    assert not status
    wanted = {folder.CONFIGURATION, "checkpoints/CNN_rate0.001_seed0.json", "results.md", "accuracy.png"}
    assert {str(out / name) for name in wanted} <= named


def test_a_full_disk_in_a_training_of_torch_leaves_a_checkpoint_to_go_on_from(tmp_path):
    """In processes of their own: one is stopped after an epoch, one has files limited to less than a checkpoint."""
    from cpabx.testing.plugin import backend_or_skip

    backend_or_skip("torch")
    for module in ("rich", "matplotlib", "sklearn"):
        pytest.importorskip(module)
    out = tmp_path / "out"
    script = (
        "import resource, sys; n = int(sys.argv.pop(1)); resource.setrlimit(resource.RLIMIT_FSIZE, (n, n));"
        "from cpabx.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    few = ["--epochs", "3", "--subset", "100", "--seeds", "1", "--models", "ST-CPAB", "--threads", "1"]

    def start(size):
        command = [sys.executable, "-W", "ignore", "-c", script, size, "experiment", "digits", "--out", out, *few]
        return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    first, deadline = start(1 << 30), time.monotonic() + 100
    while not list(out.glob("checkpoints/*.npz")) and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    first.kill()
    first.communicate()
    (path,) = out.glob("checkpoints/*.npz")
    before = path.read_bytes()
    second = start(100_000)
    _, said = second.communicate(timeout=100)
    assert second.returncode == 2, said
    assert f"{path} must be written; got File too large. Free some space" in said
    assert "Traceback" not in said
    assert path.read_bytes() == before
    assert {each.name for each in Path(out / "checkpoints").iterdir()} == {path.name, path.with_suffix(".json").name}
    third = start(1 << 30)
    _, said = third.communicate(timeout=100)
    assert third.returncode == 0, said
