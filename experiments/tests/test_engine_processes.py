"""Two processes on one machine train as one does on the joined batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cpabx.testing.plugin import backend_or_skip
from experiments.tests.engine_process import main
from tests.processes import finish, free_ports

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("engine_process.py")
LOCAL = {
    "OMP_NUM_THREADS": "1",
    "MASTER_ADDR": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
}

pytestmark = pytest.mark.skipif(
    not Path("/sys/class/net/lo").exists(), reason="the loopback interface has another name here"
)


def start(command, **env):
    inherited = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *map(str, command)],
        env={**inherited, **LOCAL, **env},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def two_of_torch(directory):
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    return [start([*launcher, SCRIPT, "torch", directory])]


def two_of_tensorflow(directory):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    return [start([SCRIPT, "tensorflow", directory], TF_CONFIG=config) for config in configs]


@pytest.mark.parametrize(("name", "launch"), [("torch", two_of_torch), ("tensorflow", two_of_tensorflow)])
def test_two_processes_train_as_one(name, launch, tmp_path):
    backend_or_skip(name)
    alone, together = tmp_path / "alone", tmp_path / "together"
    alone.mkdir()
    together.mkdir()
    main(name, alone)
    finish(*launch(together))
    expected, *found = (np.load(file) for file in (alone / "0.npz", together / "0.npz", together / "1.npz"))
    assert [int(one["world"]) for one in (expected, *found)] == [1, 2, 2]
    for one in found:
        np.testing.assert_allclose(one["epochs"], expected["epochs"], rtol=0, atol=1e-5)
        for key in set(expected.files) - {"epochs", "world"}:
            np.testing.assert_allclose(one[key], expected[key], rtol=0, atol=1e-4, err_msg=key)
            np.testing.assert_array_equal(one[key], found[0][key])
    assert np.ptp(expected["epochs"][:, 0]) > 1e-3  # something is learned
    assert sorted(path.name for path in together.iterdir()) == ["0.npz", "1.npz", "checkpoint"]
