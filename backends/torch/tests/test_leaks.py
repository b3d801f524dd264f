"""Memory after ten thousand steps of training is that of after one thousand."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

#: Grows by what a step leaves behind; a process of its own, so that nobody else's memory counts.
MEASURE = """
import gc, os, torch
from pathlib import Path
from cpabx_torch import layers

torch.set_num_threads(1)
layer = layers.STCPAB((1, 1), localization="fcn", input_shape=(1, 4, 4))
family, points = layer.transformation, torch.zeros(3, 2)
left = []

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def growth(steps, leak=0):
    before = resident()
    for _ in range(steps):
        images = torch.rand(2, 1, 4, 4, requires_grad=True)
        loss = layer(images).square().sum() + family.transform(points, layer.theta(images)).square().sum()
        loss.backward()
        layer.zero_grad()
        left.append(bytearray(leak)) if leak else None
    return resident() - before

growth(1000)
print(growth(10_000), growth(1000, leak=4096))
"""
BOUND = 1 << 20  # bytes: 105 a step, less than any tensor takes


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
def test_ten_thousand_steps():
    """And a leak would be seen."""
    out = subprocess.run(
        [sys.executable, "-c", MEASURE], check=True, capture_output=True, text=True, timeout=300
    ).stdout
    ours, leaked = map(int, out.split())
    assert ours < BOUND
    assert leaked > 2 * BOUND
