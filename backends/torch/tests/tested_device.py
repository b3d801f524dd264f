"""The device that tests of the plugin run on: the double of one, or with CPABX_TEST_DEVICE=cuda a CUDA device.

A test puts its inputs there, and works inside ``in_use()``. What only a real device has, as streams that run side by
side, is behind ``need_cuda()``.
"""

import contextlib
import os

import pytest
import torch

from backends.torch.tests import device_double
from cpabx import native
from cpabx.errors import CpabxError
from cpabx_torch import devices
from cpabx_torch.backend import TorchBackend

VARIABLE = "CPABX_TEST_DEVICE"


def wants_cuda():
    """Whether a real device is asked for; then it is no skip if there is none."""
    wanted = os.environ.get(VARIABLE) or "double"
    if wanted not in ("double", "cuda"):
        raise pytest.UsageError(f"{VARIABLE} must be double or cuda; got {wanted!r}")
    return wanted == "cuda"


if wants_cuda():  # without which torch refuses products of matrices where it is to be deterministic
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def need_cuda():
    """Skips unless a real device is asked for."""
    if not wants_cuda():
        pytest.skip(f"needs a CUDA device and {VARIABLE}=cuda")


class DoubleDevice:
    """Tensors of the CPU that are taken as if they lay on a device."""

    place = torch.device("cpu")
    real = False

    def __init__(self, monkeypatch):
        device_double.library()
        self._monkeypatch = monkeypatch
        self._device = None

    @contextlib.contextmanager
    def in_use(self):
        """The plugin's device; its ``calls`` are how much scratch each had."""
        with device_double.in_place(self._monkeypatch) as self._device, self._monkeypatch.context() as patch:
            patch.setattr(TorchBackend, "known_values", lambda *_: None)  # which lie on the device
            yield self._device

    def put(self, tensor):
        return tensor

    def finish(self):
        """All that was asked for is done."""

    @contextlib.contextmanager
    def capturing(self):
        """What is asked for is captured in a graph, which is what this gives."""
        self._device._cuda.capturing = True
        try:
            yield None
        finally:
            self._device._cuda.capturing = False

    def replay(self, graph):
        """The double has done already what was captured."""

    def no_waits(self):
        return contextlib.nullcontext()


class CudaDevice:
    """The first CUDA device of this machine, with the library that cpabx loads."""

    place = torch.device("cuda", 0)
    real = True

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch

    @contextlib.contextmanager
    def in_use(self):
        device = devices.TorchDevice(native.load_cuda(), devices.Cuda(self.place))
        device.calls = []
        genuine = device.scratch

        def scratch(n_bytes):
            device.calls.append(n_bytes)
            assert torch.cuda.current_device() == self.place.index
            return genuine(n_bytes)

        device.scratch = scratch
        with self._monkeypatch.context() as patch:
            patch.setitem(devices._devices, self.place, device)
            try:
                yield device
            finally:  # nobody else may find what this test has left to be told
                torch.cuda.synchronize(self.place)
                with contextlib.suppress(CpabxError):
                    device.raise_earlier()

    def put(self, tensor):
        return tensor.detach().to(self.place).requires_grad_(tensor.requires_grad)

    def finish(self):
        torch.cuda.synchronize(self.place)

    @contextlib.contextmanager
    def capturing(self):
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            yield graph

    def replay(self, graph):
        graph.replay()
        self.finish()

    @contextlib.contextmanager
    def no_waits(self):
        """What waits for the device is an error of torch's."""
        before = torch.cuda.get_sync_debug_mode()
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(before)


def of_test(monkeypatch):
    """The device for a test."""
    return (CudaDevice if wants_cuda() else DoubleDevice)(monkeypatch)
