"""Two processes on one machine: the gradients are those of one process on the joined batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed
from torch.distributed import checkpoint

import cpabx
from backends.torch.tests import sharded_worker
from backends.torch.tests.distributed_worker import gradients, model
from backends.torch.tests.models import draw

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo"),
    pytest.mark.skipif(not Path("/sys/class/net/lo").exists(), reason="the loopback interface has another name here"),
]

PATIENCE = 120  # seconds: a process that waits for the other must not outlive the test
ROOT = Path(__file__).parents[3]
LOCAL = {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "GLOO_SOCKET_IFNAME": "lo"}


def torchrun(script, *arguments):
    """Runs it as two processes, and leaves none behind."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(
        [*command, str(script), *arguments], env={**os.environ, **LOCAL, "PYTHONPATH": path}, start_new_session=True
    )
    try:
        assert process.wait(PATIENCE) == 0
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_two_processes_have_the_gradients_of_one(tmp_path):
    torchrun(Path(__file__).with_name("distributed_worker.py"), str(tmp_path), "STAffineCPAB")
    expected = gradients(model("STAffineCPAB"), draw(8))
    halves = gradients(model("STAffineCPAB"), draw(8)[:4])
    first, second = (torch.load(tmp_path / f"STAffineCPAB.{rank}.pt") for rank in (0, 1))
    for a, b, joined in zip(first, second, expected, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, joined, rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(half, joined, rtol=1e-2) for half, joined in zip(halves, expected, strict=True))


def test_two_processes_with_half_of_the_parameters_each(tmp_path):
    """FSDP2: a step is that of one process, and a model of one process reads the checkpoint of two."""
    torchrun(Path(sharded_worker.__file__), str(tmp_path))
    start, expected = sharded_worker.model(), sharded_worker.trained_once(sharded_worker.model(), draw(8))
    state = {"model": sharded_worker.model().state_dict()}
    checkpoint.load(state, checkpoint_id=tmp_path / "checkpoint")
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(state["model"][name], tensor, rtol=1e-4, atol=1e-6)
    moved = [name for name, tensor in start.state_dict().items() if not torch.equal(state["model"][name], tensor)]
    assert any("theta" in name for name in moved)
    assert any("localization" in name for name in moved)
    identity = cpabx.Cpab((4, 4)).identity(2, backend="torch")
    for rank in (0, 1):
        assert torch.equal(torch.load(tmp_path / f"theta.{rank}.pt"), identity)
