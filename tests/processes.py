"""Processes that a test starts and waits for."""

import contextlib
import os
import signal
import socket
import time

PATIENCE = 150  # seconds, for all processes of a test


def finish(*processes):
    """Waits for all, each the first of a session of its own; none is left behind when one fails or hangs."""
    deadline = time.monotonic() + PATIENCE
    try:
        for process in processes:
            _, errors = process.communicate(timeout=max(1, deadline - time.monotonic()))
            assert process.returncode == 0, errors
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def free_ports(n):
    """Ports that nobody listens to."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
