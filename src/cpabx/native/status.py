"""Status codes of libcpab as exceptions, in the library's own words."""

from __future__ import annotations

import os

from cpabx.errors import (
    CpabxError,
    DeviceError,
    DivergenceError,
    NativeMemoryError,
    OptionError,
    RangeError,
    ShapeError,
    TessellationError,
    shown,
)
from cpabx.native.interrupts import interruption
from cpabx.native.library import Library

#: Those that callers can do something about; others are faults of cpabx or of a plugin.
_ERRORS: dict[str, type[CpabxError]] = {
    "NDIM": TessellationError,
    "CELLS": TessellationError,
    "DOMAIN": TessellationError,
    "SHAPE": ShapeError,
    "TIME": OptionError,
    "THREADS": OptionError,
    "RANGE": RangeError,
    "DIVERGED": DivergenceError,
    "MEMORY": NativeMemoryError,
    "IMAGE": ShapeError,
    "DEVICE": DeviceError,
    "LAUNCH": DeviceError,
}


def raise_for_status(
    library: Library, status: int, *, item: int = -1, time: float = 1.0, earlier: str | None = None
) -> None:
    """The exception that belongs to a status code, if it is an error.

    Args:
        library: that gave it.
        status: the code.
        item: of the batch.
        time: of the call.
        earlier: the device that tells only now of a call that was made before.
    """
    lib, text = library.lib, library.ffi.string
    if status == lib.CPAB_OK:
        return
    if status == lib.CPAB_E_INTERRUPTED and (raised := interruption()):
        raise raised
    message = lib.cpab_explain(status)
    required, received, remedy = (text(part).decode() for part in (message.required, message.received, message.remedy))
    if status in (lib.CPAB_E_RANGE, lib.CPAB_E_DIVERGED):
        received += f" at batch item {item} "
        received += f"(time {time:g})" if earlier is None else f"of an earlier call, on {earlier}"
        if earlier is not None:
            remedy += " CPABX_CHECK=now in the environment raises this in the very call, and makes each one wait."
    if status == lib.CPAB_E_TIME:
        received = repr(time)
    if status == lib.CPAB_E_THREADS:
        received = f"CPABX_NUM_THREADS={shown(os.environ.get('CPABX_NUM_THREADS'))}"
    kinds = {getattr(lib, f"CPAB_E_{name}"): kind for name, kind in _ERRORS.items()}
    raise kinds.get(status, CpabxError)(required, received, remedy)


def error_told(library: Library, text: str) -> CpabxError | None:
    """The exception whose words are in a text: that of a framework whose own code has called a library; or None."""
    lib, words = library.lib, library.ffi.string
    for name, kind in _ERRORS.items():
        message = lib.cpab_explain(getattr(lib, f"CPAB_E_{name}"))
        required, remedy = words(message.required).decode(), words(message.remedy).decode()
        _, found, rest = text.partition(f"{required}; got ")
        received, also_found, after = rest.partition(f". {remedy}")
        if found and also_found:
            return kind(required, received, remedy + after.partition(" [Op:")[0].rstrip())
    return None
