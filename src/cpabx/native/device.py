"""What a call of libcpab_cuda needs besides what one of libcpab needs.

A library for a device allocates nothing and waits for nothing. Tables of tessellations, scratch, and the words in which
a device reports what failed are the framework's, and so is the stream.

No GPU has run this yet: tests run it in the memory of the CPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from cpabx.native.library import Library
from cpabx.native.report import Report
from cpabx.native.status import raise_for_status

if TYPE_CHECKING:
    from cpabx.tessellation import Tessellation


class Device(Protocol):
    """A device of a framework, with the library that works in its memory.

    Attributes:
        library: of :func:`cpabx.native.load_cuda`.
        report: what fails there.
    """

    library: Library
    report: Report

    def current(self) -> AbstractContextManager[Any]:
        """Within it, the device is the one that the calling thread launches work on."""

    def stream(self) -> int:
        """The ``cudaStream_t`` that calls are to be put on now."""

    def tables(self, tessellation: Tessellation, itemsize: int) -> int:
        """Address on the device of a copy of :func:`tables_of`, which lives at least as long as work that reads it."""

    def scratch(self, n_bytes: int) -> tuple[int, Any]:
        """Address of memory on the device, aligned to 16 bytes, and what keeps it until the call is on the stream.

        Memory that is free again must be reused by later work of this stream alone.
        """

    def deterministic(self) -> bool:
        """Whether gradients of images must have the same bits every time, which takes longer."""

    def is_checked_now(self) -> bool:
        """Whether to wait for each call, and raise what went wrong in it: see :func:`cpabx.native.report.now`."""

    def wait(self) -> None:
        """Until all that the stream was given is done."""


def launch(device: Device, name: str, struct: Any, addresses: Sequence[int], tessellation: Tessellation | None) -> None:
    """Calls a function on a device. What is wrong there comes later, by its report.

    Args:
        device: with memory that all arrays lie in.
        name: of the function, without its prefix.
        struct: a ``cpab_call *`` with its sizes.
        addresses: of the arrays; 0 for none.
        tessellation: that of the call, if it has one.
    """
    library = device.library
    cast, void = library.cast, library.void
    with device.current():
        struct.deterministic = device.deterministic()
        struct.scratch_bytes = n_bytes = library.lib.cpab_scratch_bytes(struct, library.functions[name])
        kept = None
        if n_bytes:
            address, kept = device.scratch(n_bytes)
            struct.scratch = cast(void, address)
        if tessellation is not None:
            struct.tables = cast(void, device.tables(tessellation, 8 if struct.dtype else 4))
        struct.stream = cast(void, device.stream())
        struct.report = cast("cpab_report *", device.report.address)
        status = library.entries[name](struct, *addresses)
        del kept
        if status:
            raise_for_status(library, status, item=struct.failed_item, time=struct.time)
        if device.is_checked_now():
            device.wait()
            device.report.raise_for_call(library, struct.time)


def tables_of(library: Library, tessellation: Tessellation, itemsize: int) -> np.ndarray[Any, Any]:
    """What a library for a device reads of a tessellation, for numbers of so many bytes: bytes without pointers."""
    handle, dtype = tessellation.handle_in(library), itemsize == 8
    tables = np.empty(library.lib.cpab_tables(handle, dtype, library.ffi.NULL), np.uint8)
    library.lib.cpab_tables(handle, dtype, library.cast(library.void, tables.ctypes.data))
    return tables
