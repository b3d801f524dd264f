"""CUDA devices as libcpab_cuda needs them: streams, memory and reports of torch.

Nothing here waits for a device, but for what is kept and is not there yet: tables of a tessellation, constants, and the
words of the report. They are made in the first call, and while a CUDA graph is captured it is too late for that.

No GPU has run this yet. The tests put something else in the place of :class:`Cuda`, and memory of the CPU in that of a
device.
"""

from __future__ import annotations

import weakref
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from cpabx import native
from cpabx.errors import DeviceError, NativeLibraryError, UnsupportedError
from cpabx.native import Library, Report
from cpabx.native.report import now
from cpabx.tessellation import Tessellation
from cpabx.tracing import constant_while_tracing
from cpabx_torch.apart import made_apart


class Cuda:
    """What is asked of torch about a device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def current(self) -> AbstractContextManager[Any]:
        return torch.cuda.device(self.device)

    def stream(self) -> torch.cuda.Stream:
        return torch.cuda.current_stream(self.device)

    def is_capturing(self) -> bool:
        return torch.cuda.is_current_stream_capturing()

    def words(self) -> Tensor:
        """Those of a report, in memory that both sides see."""
        return torch.full((2,), -1, dtype=torch.int32, device="cpu").pin_memory()


class Kept:
    """A tensor that outlives calls, and may be used on any stream.

    It was made on one. When it is given up, its memory must wait for what the others still do with it; and a graph
    that was captured with it will always read it.
    """

    def __init__(self, tensor: Tensor, cuda: Cuda) -> None:
        self.tensor = tensor
        self._cuda = cuda
        self._streams: set[int] = set()

    def used(self) -> Tensor:
        """The tensor, for work that the current stream is given next."""
        stream = self._cuda.stream()
        if stream.cuda_stream not in self._streams:
            if self.tensor.is_cuda:
                self.tensor.record_stream(stream)
            self._streams.add(stream.cuda_stream)
        if self._cuda.is_capturing():
            _captured[id(self.tensor)] = self.tensor
        return self.tensor


#: What graphs read. Nobody tells when a graph is gone, so neither is this.
_captured: dict[int, Tensor] = {}


class TorchDevice:
    """:class:`cpabx.native.Device` of torch."""

    def __init__(self, library: Library, cuda: Cuda) -> None:
        self.library = library
        self._cuda = cuda
        check_not_capturing(cuda)
        self._words = cuda.words()
        self.report = Report(self._words.numpy(), str(cuda.device))
        self._tables: weakref.WeakKeyDictionary[Any, dict[int, Kept]] = weakref.WeakKeyDictionary()
        self.current = cuda.current

    def stream(self) -> int:
        return self._cuda.stream().cuda_stream

    def tables(self, tessellation: Tessellation, itemsize: int) -> int:
        handle = tessellation.handle_in(self.library)
        by_size = self._tables.get(handle)
        if by_size is None:
            by_size = self._tables.setdefault(handle, {})
        kept = by_size.get(itemsize)
        if kept is None:
            check_not_capturing(self._cuda)
            tables = native.tables_of(self.library, tessellation, itemsize)
            kept = by_size[itemsize] = Kept(made_apart(tables, torch.uint8, self._cuda.device), self._cuda)
        return kept.used().data_ptr()

    def scratch(self, n_bytes: int) -> tuple[int, Any]:
        memory = torch.empty(n_bytes, dtype=torch.uint8, device=self._cuda.device)
        return memory.data_ptr(), memory

    def deterministic(self) -> bool:
        return torch.are_deterministic_algorithms_enabled()

    def is_checked_now(self) -> bool:
        return now() and not self._cuda.is_capturing()

    def wait(self) -> None:
        self._cuda.stream().synchronize()

    def raise_earlier(self) -> None:
        """Raises what the device has told of earlier calls by now, without waiting; not while a graph is captured."""
        if not self._cuda.is_capturing():
            self.report.raise_earlier(self.library)

    def clear(self) -> None:
        """Forgets tables."""
        self._tables.clear()


def check_not_capturing(cuda: Cuda) -> None:
    """Raises UnsupportedError while a graph is captured: what copies to the device would end that."""
    if cuda.is_capturing():
        raise UnsupportedError(
            "a CUDA graph can be captured of what has run before",
            "the first call with this family, type and device",
            "Run the step a few times before, on a stream beside, as torch.cuda.graph asks.",
        )


# -- those that were used so far -------------------------------------------------------------------

_devices: dict[torch.device, TorchDevice] = {}


def device_of(tensor: Tensor) -> TorchDevice:
    """The device that a call with this tensor is for.

    Raises:
        DeviceError: there is no library for it.
        RangeError, DivergenceError: by an earlier call.
    """
    device = _devices.get(tensor.device)
    if device is None:
        library = _library_for(str(tensor.device))
        device = _devices.setdefault(tensor.device, TorchDevice(library, Cuda(tensor.device)))
    device.raise_earlier()
    return device


def check_errors() -> None:
    """Raises what the devices have told of earlier calls by now."""
    for device in list(_devices.values()):
        device.raise_earlier()


def clear() -> None:
    """Forgets what is kept on devices."""
    for device in list(_devices.values()):
        device.clear()


@constant_while_tracing  # a tracer cannot raise errors of ours
def refuse(device: str) -> None:
    """Raises DeviceError if there is no library for a device of this name."""
    _library_for(device)


def _library_for(device: str) -> Library:
    if torch.version.hip is not None:
        raise DeviceError(
            "CPAB transformations run on the CPU and on CUDA devices",
            f"tensors on {device} of a torch for ROCm",
            "Move points and theta to the CPU.",
        )
    return native.cuda_for(f"tensors on {device}")


@constant_while_tracing
def has_library() -> bool:
    """Whether tensors on CUDA devices can be passed to a library of ours."""
    global _has_library  # noqa: PLW0603
    if _has_library is None:
        try:
            _has_library = torch.version.hip is None and native.load_cuda() is not None
        except NativeLibraryError:
            _has_library = False
    return _has_library


_has_library: bool | None = None


def check_one_device(*tensors: Any) -> None:
    """Raises DeviceError unless all tensors of a call of an operator are on one device."""
    found = sorted({str(tensor.device) for tensor in tensors if isinstance(tensor, Tensor)})
    if len(found) > 1:
        raise DeviceError("all tensors of a call must be on one device", " and ".join(found), "Move them to one.")
