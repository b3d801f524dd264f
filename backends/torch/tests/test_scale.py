"""The examples in examples/scale run, each on two processes of this machine: ``nox -s scale`` has their engines."""

import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import cpabx
from backends.torch.tests.test_distributed import torchrun

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/sys/class/net/lo").exists(), reason="the loopback interface has another name here"),
]
EXAMPLES = Path(__file__).parents[3] / "examples" / "scale"


def needs(module):
    missing = importlib.util.find_spec(module) is None
    return pytest.mark.skipif(missing, reason=f"needs {module}: nox -s scale has it")


@needs("accelerate")
def test_training_on_two_processes(tmp_path, monkeypatch, capfd):
    """What is saved is a model of one process, which has learnt."""
    from safetensors.torch import load_file

    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    torchrun(EXAMPLES / "accelerated.py", str(tmp_path))
    (said,) = [line for line in capfd.readouterr().out.splitlines() if "processes" in line]
    assert said.startswith("2 processes, ")
    assert int(said.split()[2].rstrip("%")) >= 75
    state = load_file(tmp_path / "model.safetensors")
    layer = cpabx.layers.STAffineCPAB((2, 2), input_shape=(1, 16, 16), backend="torch")
    torch.nn.Sequential(layer, torch.nn.Flatten(), torch.nn.Linear(256, 2)).load_state_dict(state)


@needs("distributed")
def test_a_folder_of_volumes_on_two_workers(tmp_path):
    family = cpabx.Cpab((2, 2, 2), boundary="sliding", basis="nodal")
    z, y, x = np.meshgrid(*[np.linspace(-1, 1, 12)] * 3, indexing="ij")
    fixed = np.exp(-4 * (x**2 + y**2 + z**2)) + 0.5 * np.sin(4 * z)
    theta = family.sample(2, seed=0, scale=0.2, dtype="float64", backend="numpy")
    moving = family.warp(np.stack([fixed, fixed])[..., None], theta)[..., 0]
    for name, volume in zip("abc", (fixed, *moving), strict=True):
        np.save(tmp_path / f"{name}.npy", volume)
    # Not in this process, which may have any number of threads and files open.
    command = [sys.executable, str(EXAMPLES / "volumes.py"), str(tmp_path)]
    done = subprocess.run(command, check=True, timeout=500, capture_output=True, text=True)
    assert sorted(line[:5] for line in done.stdout.splitlines()) == ["b.npy", "c.npy"]
    for name, before in zip("bc", moving, strict=True):
        after = np.load(tmp_path / "warped" / f"{name}.npy")
        assert np.square(after - fixed).mean() <= 0.25 * np.square(before - fixed).mean()
        fit = pickle.loads((tmp_path / "warped" / f"{name}.pickle").read_bytes())
        again = fit.warp(torch.from_numpy(before).float()[None, None])
        np.testing.assert_allclose(again[0, 0], after, atol=1e-5)
