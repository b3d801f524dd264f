"""Pictures are drawn into memory, and forgotten after each test."""

import os

import pytest

os.environ["MPLBACKEND"] = "agg"
plt = pytest.importorskip("matplotlib.pyplot", reason="cpabx.plot needs matplotlib: pip install cpabx[plot]")


@pytest.fixture(autouse=True)
def _no_figures_left():
    yield
    plt.close("all")
