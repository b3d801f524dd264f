"""Tensors on the wrong device: an error, not a crash in native code that reads their address."""

import pytest

import cpabx
from cpabx.errors import DeviceError


@pytest.fixture
def torch():
    framework = pytest.importorskip("torch")
    pytest.importorskip("cpabx_torch")
    return framework


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Cpab((2, 2))], ids=["Affine", "Cpab"])
def test_two_devices_in_one_call(torch, family):
    """Torch's `meta` device is there on every machine."""
    here, there = ({"device": d, "dtype": torch.float64} for d in ("cpu", "meta"))
    for a, b in ((here, there), (there, here)):
        with pytest.raises(DeviceError, match="meta") as caught:
            family.transform(torch.zeros((4, 2), **a), torch.zeros((3, family.n_params), **b))
        assert "cpu" in caught.value.received
        assert isinstance(caught.value, ValueError)
        with pytest.raises(DeviceError, match="meta"):
            family.warp(torch.zeros((3, 1, 4, 4), **a), torch.zeros((3, family.n_params), **b))
