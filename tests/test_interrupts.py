"""Signals in the middle of a call: Ctrl-C ends it, a handler that returns does not, and the process goes on."""

import os
import subprocess
import sys

import pytest

import cpabx

PATIENCE = 240  # seconds, on a machine that is busy

COMMON = """
import os, signal, threading, time
import numpy as np
import cpabx
from cpabx import Cpab

signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have what runs in the background ignore it
family = Cpab((4, 4), basis="nodal", outside="nearest")
vertices = family.tessellation.vertices
theta = 150 * np.stack([-vertices[:, 1], vertices[:, 0]], axis=-1).reshape(1, -1)  # many times around
rng = np.random.default_rng(0)
few, many = rng.uniform(-0.6, 0.6, (1, 10, 2)), rng.uniform(-0.6, 0.6, (1, 1_000_000, 2))
before = family.transform(few, theta)

def late(call, seconds, number=signal.SIGINT):
    "How much the processor does between the signal and the end of a call; and its exception, or its result."
    sent = []
    def send():
        sent.append(time.process_time())
        os.kill(os.getpid(), number)
    timer = threading.Timer(seconds, send)
    timer.start()
    try:
        outcome = call()
    except BaseException as error:
        outcome = error
    ended = time.process_time()
    timer.join()
    return (ended - sent[0] if sent else None), outcome

def ends(call, seconds=0.5):
    elapsed, outcome = late(call, seconds)
    assert isinstance(outcome, KeyboardInterrupt), outcome
    assert elapsed < 1, elapsed  # 0.05 and a slice of work
    assert np.array_equal(family.transform(few, theta), before)  # and the process is of use
"""

NUMPY = """
g = np.ones_like(many)
ends(lambda: family.transform(many, theta))
ends(lambda: family.vjp(many, theta, g))
ends(lambda: family.jvp(many, theta, many))
ends(lambda: family.jacobian(many, theta))
images = np.zeros((1, 1000, 1000, 1)) if cpabx.get_backend("numpy").channels_last else np.zeros((1, 1, 1000, 1000))
ends(lambda: family.warp(images, theta))

from cpabx.native import arrays
from cpabx.sampling import Sampling
data, places = np.ones((1, 40, 40, 40, 8), "float32"), rng.uniform(-1, 1, (1, 4_000_000, 3)).astype("float32")
start = time.monotonic()
arrays.sample(data, places, Sampling(), n_threads=1)
whole = time.monotonic() - start
elapsed, outcome = late(lambda: arrays.sample(data, places, Sampling(), n_threads=1), whole / 4)
assert isinstance(outcome, KeyboardInterrupt), (outcome, elapsed, whole)

# A handler that sets a flag lets the call go on; one that raises something of its own ends it with that.
flags = []
signal.signal(signal.SIGUSR1, lambda *_: flags.append(True))
some = many[:, :20_000]
expected = family.transform(some, theta)
elapsed, outcome = late(lambda: family.transform(some, theta), 0.1, signal.SIGUSR1)
assert flags == [True]
assert np.array_equal(outcome, expected)

class Stop(Exception):
    pass

def stop(*_):
    raise Stop("enough")

signal.signal(signal.SIGUSR1, stop)
elapsed, outcome = late(lambda: family.transform(many, theta), 0.5, signal.SIGUSR1)
assert isinstance(outcome, Stop), outcome

# In a forked child, too; and another thread's call does not end, nor does it spoil anything.
child = os.fork()
if child == 0:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        ends(lambda: family.transform(many, theta))
        code = 0
    finally:
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
results = []
worker = threading.Thread(target=lambda: results.append(family.transform(some, theta)))
worker.start()
elapsed, outcome = late(lambda: time.sleep(5), 0.1)
assert isinstance(outcome, KeyboardInterrupt), outcome
while worker.is_alive():
    time.sleep(0.01)
assert np.array_equal(results[0], expected)
"""

TORCH = """
import torch

torch.set_num_threads(1)
t, p = torch.tensor(theta, requires_grad=True), torch.tensor(many)
with torch.no_grad():
    ends(lambda: family.transform(p, t))
ends(lambda: family.transform(p, t))
moved = family.transform(p[:, :60_000], t)
ends(moved.sum().backward, 0.1)
family.transform(p[:, :10], t).sum().backward()
assert t.grad.isfinite().all()
"""


def cpabx_backends():
    return {entry.name for entry in cpabx.available_backends(load=False)}


def run(script):
    one_thread = {**os.environ, "CPABX_NUM_THREADS": "1"}  # calls are long on any machine
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=PATIENCE, env=one_thread, check=False
    )
    assert done.returncode == 0, done.stderr


pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")]


def test_numpy():
    run(COMMON + NUMPY)


def test_torch():
    if "torch" not in cpabx_backends():
        pytest.skip("cpabx-torch is not installed")
    run(COMMON + TORCH)
