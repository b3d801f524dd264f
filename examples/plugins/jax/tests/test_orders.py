"""The order of first uses: what one way of tracing or differentiating leaves behind must not spoil the next."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("first", ["jit(grad(grad))", "vmap(grad)", "eval_shape"])
def test_whatever_comes_first(first):
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("orders_of_use.py")), first]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
