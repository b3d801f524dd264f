"""The order of first uses: what one way of differentiating or tracing leaves behind must not spoil the next."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first", ["jacrev(grad)", "vmap(grad)", "inference_mode", "FakeTensorMode", "compile"])
def test_whatever_comes_first(first):
    """A tensor that was made under torch.func was kept: then every torch.func.grad of the process failed."""
    command = [sys.executable, "-W", "ignore", "-m", "backends.torch.tests.orders_of_use", first]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
