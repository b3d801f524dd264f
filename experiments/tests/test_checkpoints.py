"""Checkpoint files: all or nothing, and of one training alone."""

import dataclasses

import numpy as np
import pytest

from cpabx_experiments.protocol.network import shapes
from cpabx_experiments.training.engines import CheckpointError, Training
from cpabx_experiments.training.engines.checkpoints import State, identity, read, write
from experiments.tests.engine_cases import network

NET = network("ST-CPAB")
DESCRIBED = identity(NET, Training(epochs=3), 0)


def state(epoch):
    rng = np.random.default_rng(epoch)
    arrays = [[rng.normal(size=shape).astype(np.float32) for shape in shapes(NET)] for _ in range(3)]
    return State(epoch, 10 * epoch, *arrays)


def test_what_is_written_is_read(tmp_path):
    write(tmp_path / "new" / "file", state(2), DESCRIBED)
    found = read(tmp_path / "new" / "file", NET, DESCRIBED)
    assert (found.epoch, found.step) == (2, 20)
    for name in ("weights", "means", "squares"):
        assert all(map(np.array_equal, getattr(found, name), getattr(state(2), name)))


def test_an_interrupted_write_leaves_the_file_before(tmp_path, monkeypatch):
    write(tmp_path / "file", state(1), DESCRIBED)

    def half(file, **arrays):
        file.write(b"PK half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "file", state(2), DESCRIBED)
    monkeypatch.undo()
    assert read(tmp_path / "file", NET, DESCRIBED).epoch == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (identity(network("ST-Affine"), Training(epochs=3), 0), "network.transformer.layer is 'STCPAB' there"),
        (identity(network("CNN"), Training(epochs=3), 0), "network.transformer is"),
        (identity(NET, Training(epochs=3, learning_rate=1e-3), 0), "training.learning_rate is 0.0001 there, 0.001"),
        (identity(NET, Training(epochs=3), 4), "seed is 0 there, 4 here"),
    ],
)
def test_a_file_of_another_training_says_in_what(tmp_path, other, message):
    write(tmp_path / "file", state(1), DESCRIBED)
    with pytest.raises(CheckpointError, match=message):
        read(tmp_path / "file", NET, other)


@pytest.mark.parametrize("length", [0, 10, 2000])
def test_a_file_cut_short_is_named(tmp_path, length):
    write(tmp_path / "file", state(1), DESCRIBED)
    (tmp_path / "file").write_bytes((tmp_path / "file").read_bytes()[:length])
    with pytest.raises(CheckpointError, match=r"file must be a checkpoint"):
        read(tmp_path / "file", NET, DESCRIBED)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="nowhere must be a checkpoint"):
        read(tmp_path / "nowhere", NET, DESCRIBED)


def test_a_file_of_something_else_is_named(tmp_path):
    np.savez(tmp_path / "other.npz", a=np.ones(3))
    with pytest.raises(CheckpointError, match=r"other\.npz must be a checkpoint"):
        read(tmp_path / "other.npz", NET, DESCRIBED)


def test_a_broken_array_is_found(tmp_path):
    """The archive's sums see a bit that has changed."""
    write(tmp_path / "file", state(1), DESCRIBED)
    content = bytearray((tmp_path / "file").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(CheckpointError, match="file must be a checkpoint"):
        read(tmp_path / "file", NET, DESCRIBED)


def test_descriptions_survive_json():
    assert identity(NET, Training(epochs=3), 0) == DESCRIBED
    assert identity(dataclasses.replace(NET, view=(6, 6)), Training(epochs=3), 0) != DESCRIBED
