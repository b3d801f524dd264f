"""Warnings are errors here, but for those that TensorFlow and Keras cause by themselves."""

import os
import subprocess
import sys
import textwrap

import pytest

NOT_OURS = [
    # Keras asks numpy for a copy of what cannot be had without one.
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning",
]

PATIENCE = 180  # seconds: what hangs must not outlive the test


def pytest_configure(config: pytest.Config) -> None:
    for line in NOT_OURS:
        config.addinivalue_line("filterwarnings", line)


@pytest.fixture(scope="module", autouse=True)
def _draws_need_no_seed():
    """Experiments make TensorFlow deterministic for the rest of their process; it then draws with a seed only."""
    from tensorflow.python.framework.config import disable_op_determinism

    disable_op_determinism()


@pytest.fixture
def new_process(tmp_path):
    """Runs Python code in ``tmp_path``, and returns what it prints; an exception there is one here."""

    def run(code, *arguments, **env):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code), *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env},
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
