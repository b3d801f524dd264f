"""The order of first uses: what one way of tracing or differentiating leaves behind must not spoil the next."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("first", ["function of tape within tape", "Dataset.map", "keras.Input"])
def test_whatever_comes_first(first):
    command = [sys.executable, "-W", "ignore", "-m", "backends.tensorflow.tests.orders_of_use", first]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, ""), run.stderr
