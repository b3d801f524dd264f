"""A CUDA device for tests, in the memory of the CPU.

libcpab_cuda is that of the stand-in for CUDA (the CMake target ``cpab_cuda_stand_in``), which CPABX_TEST_CUDA_LIBRARY
names. Tensors on the CPU are then taken as if they lay on a device, so what runs is the plugin's own code for devices,
and the kernels; only what it asks of ``torch.cuda`` is answered here.
"""

import contextlib
import os
import threading
from pathlib import Path

import pytest
import torch

from cpabx.native.library import open_cuda
from cpabx_torch import devices, memory

VARIABLE = "CPABX_TEST_CUDA_LIBRARY"


class Stream:
    """A stream that is done with all it was given."""

    cuda_stream = 0

    def __init__(self):
        self.waits = 0

    def synchronize(self):
        self.waits += 1


class Double(devices.Cuda):
    """What torch.cuda would say."""

    def __init__(self):
        super().__init__(torch.device("cpu"))
        self.one_stream, self.capturing = Stream(), False
        self.threads = threading.local()  # a device is current for one thread

    @contextlib.contextmanager
    def current(self):
        self.threads.is_current = True
        try:
            yield
        finally:
            self.threads.is_current = False

    def stream(self):
        return self.one_stream

    def is_capturing(self):
        return self.capturing

    def words(self):
        return torch.full((2,), -1, dtype=torch.int32)


def library():
    """That of the stand-in, or a skip that says what to do."""
    path = os.environ.get(VARIABLE)
    if not path:
        pytest.skip(f"{VARIABLE} names no libcpab_cuda.so of the stand-in (CMake's target cpab_cuda_stand_in)")
    return open_cuda(Path(path))


@contextlib.contextmanager
def in_place(monkeypatch):
    """Tensors on the CPU are on a device. Its ``calls`` are how much scratch each had."""
    monkeypatch.setenv("CPAB_GPU_MEMORY", "host")
    device = devices.TorchDevice(library(), Double())
    device.calls = []
    genuine = device.scratch

    def scratch(n_bytes):
        device.calls.append(n_bytes)
        assert device._cuda.threads.is_current
        return genuine(n_bytes)

    device.scratch = scratch

    def device_of(tensor):
        device.raise_earlier()
        return device

    with monkeypatch.context() as patch:
        patch.setitem(devices._devices, torch.device("cpu"), device)  # check_device_errors() finds it
        patch.setattr(memory.MEMORY, "device", device_of)
        yield device
