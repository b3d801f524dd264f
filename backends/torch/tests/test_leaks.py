"""Memory after ten thousand steps of training is that of after one thousand."""

import subprocess
import sys

import pytest

#: Grows by what a step leaves behind; a process of its own, so that nobody else's memory counts.
MEASURE = """
import gc, os, sys, torch
from pathlib import Path
from cpabx_torch import layers

torch.set_num_threads(1)
layer = getattr(layers, sys.argv[1])((1, 1), localization="fcn", input_shape=(1, 4, 4))
left = []

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def train(steps):
    for step in range(steps):
        images = torch.rand(2, 1, 4, 4 + step % 2, requires_grad=True)
        loss = layer(images[..., :4]).square().sum()
        loss.backward()
        layer.zero_grad()
        if sys.argv[2] == "leak":
            left.append(bytearray(256))

train(1000)
before = resident()
train(10_000)
print(resident() - before)
"""
BOUND = 1 << 20  # bytes: 105 a step, less than a tensor or a result of libcpab


def growth(layer, *, leak=False):
    command = [sys.executable, "-c", MEASURE, layer, "leak" if leak else "none"]
    return int(subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout)


pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")


@pytest.mark.parametrize("layer", ["STCPAB", "STAffineCPAB"])
def test_ten_thousand_steps(layer):
    assert growth(layer) < BOUND


def test_a_leak_would_be_seen():
    assert growth("STCPAB", leak=True) > 2 * BOUND
