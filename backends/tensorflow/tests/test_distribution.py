"""Replicas on shares of a batch add up to the gradients of one process on the whole of it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.processes import finish, free_ports

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("gradients_of_replicas.py")


def start(role, file, **env):
    command = [sys.executable, "-W", "ignore", str(SCRIPT), role, str(file)]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env}
    return subprocess.Popen(
        command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def gradients(file, replicas):
    saved = np.load(file)
    assert saved["replicas"] == replicas
    return [saved[name] for name in saved.files if name != "replicas"]


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    file = tmp_path_factory.mktemp("alone") / "alone.npz"
    finish(start("alone", file))
    found = gradients(file, 1)
    assert min(np.abs(gradient).max() for gradient in found) > 0
    return found


def assert_same(found, expected):
    for got, right in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, right, rtol=0, atol=1e-5 * np.abs(right).max())


def test_mirrored_on_two_logical_processors(expected, tmp_path):
    finish(start("mirrored", tmp_path / "mirrored.npz"))
    assert_same(gradients(tmp_path / "mirrored.npz", 2), expected)


def test_two_workers_on_loopback(expected, tmp_path):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    files = [tmp_path / f"worker{index}.npz" for index in range(2)]
    configs = [{"cluster": cluster, "task": {"type": "worker", "index": index}} for index in range(2)]
    finish(*(start("worker", file, TF_CONFIG=json.dumps(c)) for file, c in zip(files, configs, strict=True)))
    for file in files:
        assert_same(gradients(file, 2), expected)
