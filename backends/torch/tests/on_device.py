"""``pytest -p backends.torch.tests.on_device``: any tests of torch, with all tensors on the device of device_double.py.

Each call is waited for, so errors are those of the CPU.
"""

import os

import pytest
import torch

from backends.torch.tests import device_double
from cpabx_torch import devices, memory

os.environ["CPAB_GPU_MEMORY"], os.environ["CPABX_CHECK"] = "host", "now"

if not os.environ.get(device_double.VARIABLE):
    raise pytest.UsageError(f"{device_double.VARIABLE} must name the libcpab_cuda.so of the stand-in")
DEVICE = devices.TorchDevice(device_double.library(), device_double.Double())


def device_of(tensor):
    DEVICE.raise_earlier()
    return DEVICE


devices._devices[torch.device("cpu")] = DEVICE
memory.MEMORY.device = device_of
