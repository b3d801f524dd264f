"""``pytest -p backends.torch.tests.on_device``: any tests of torch, with all tensors on a device.

It is that of device_double.py, or with CPABX_TEST_DEVICE=cuda a real one, where tensors are made that are not told
where. Each call is waited for, so errors are those of the CPU.
"""

import os

import pytest
import torch

from backends.torch.tests import device_double, tested_device
from cpabx_torch import devices, memory
from cpabx_torch.backend import TorchBackend

os.environ["CPABX_CHECK"] = "now"


def use_double():
    """Takes tensors of the CPU as if they lay on a device."""
    os.environ["CPAB_GPU_MEMORY"] = "host"
    if not os.environ.get(device_double.VARIABLE):
        raise pytest.UsageError(f"{device_double.VARIABLE} must name the libcpab_cuda.so of the stand-in")
    device = devices.TorchDevice(device_double.library(), device_double.Double())

    def device_of(tensor):
        device.raise_earlier()
        return device

    devices._devices[torch.device("cpu")] = device
    memory.MEMORY.device = device_of


def use_cuda():
    """Makes tensors on a CUDA device, and numbers by its generators."""
    torch.set_default_device(tested_device.CudaDevice.place)
    TorchBackend.generator = lambda _, seed: torch.Generator(tested_device.CudaDevice.place).manual_seed(seed)


use_cuda() if tested_device.wants_cuda() else use_double()
