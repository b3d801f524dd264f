"""Tensors of every backend give the picture that arrays give; matplotlib is needed by a call, not before."""

import subprocess
import sys

import numpy as np
import pytest

import cpabx
from cpabx import plot
from cpabx.errors import MissingPackageError
from cpabx.testing import backend_fixture, known_backends
from cpabx.testing.plugin import required_backends

backend = backend_fixture(*(sorted(required_backends()) or known_backends()))
FAMILY = cpabx.Cpab((2, 2))


def lines(ax):
    return [np.array(c.get_segments()) for c in ax.collections if hasattr(c, "get_segments")]


def test_theta_of_every_backend(backend):
    theta = FAMILY.sample(seed=0, backend="numpy", dtype="float64")
    tensor = backend.asarray(theta)
    for draw in (plot.paths, plot.deformed_grid, plot.velocity_field):
        for a, b in zip(lines(draw(FAMILY, theta)), lines(draw(FAMILY, tensor)), strict=True):
            np.testing.assert_array_equal(a, b)


def test_images_of_every_backend_in_its_layout(backend):
    theta = FAMILY.sample(seed=0, backend="numpy", dtype="float64")
    image = np.random.default_rng(0).uniform(size=(5, 6, 3)).astype(np.float32)
    tensor = backend.asarray(image if backend.channels_last else np.moveaxis(image, -1, 0))
    pairs = zip(plot.before_after(FAMILY, image, theta), plot.before_after(FAMILY, tensor, theta), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a.images[0].get_array(), b.images[0].get_array())


def test_without_matplotlib(monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    theta, image = FAMILY.identity(), np.zeros((4, 4))
    for draw in (
        lambda: plot.tessellation(FAMILY),
        lambda: plot.velocity_field(FAMILY, theta),
        lambda: plot.paths(FAMILY, theta),
        lambda: plot.deformed_grid(FAMILY, theta),
        lambda: plot.before_after(FAMILY, image, theta),
    ):
        with pytest.raises(MissingPackageError, match=r"pip install cpabx\[plot\]") as caught:
            draw()
        assert isinstance(caught.value, ImportError)


@pytest.mark.slow
def test_importing_the_module_does_not_import_matplotlib():
    code = "import sys, cpabx.plot; cpabx.plot.paths; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]


def test_every_public_function_is_tested_here():
    assert set(plot.__all__) == {"before_after", "deformed_grid", "paths", "tessellation", "velocity_field"}
