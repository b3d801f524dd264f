"""Two processes on one machine: the gradients are those of one process on the joined batch."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import distributed

from backends.torch.tests.distributed_worker import gradients, model
from backends.torch.tests.models import draw

pytestmark = pytest.mark.slow

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


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
@pytest.mark.skipif(not Path("/sys/class/net/lo").exists(), reason="the loopback interface has another name here")
def test_two_processes_have_the_gradients_of_one(tmp_path):
    torchrun(Path(__file__).with_name("distributed_worker.py"), str(tmp_path), "STAffineCPAB")
    expected = gradients(model("STAffineCPAB"), draw(8))
    halves = gradients(model("STAffineCPAB"), draw(8)[:4])
    first, second = (torch.load(tmp_path / f"STAffineCPAB.{rank}.pt") for rank in (0, 1))
    for a, b, joined in zip(first, second, expected, strict=True):
        assert torch.equal(a, b)
        torch.testing.assert_close(a, joined, rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(half, joined, rtol=1e-2) for half, joined in zip(halves, expected, strict=True))
