"""Status codes of libcpab as exceptions."""

from __future__ import annotations

from cpabx.errors import (
    CpabxError,
    DivergenceError,
    NativeMemoryError,
    OptionError,
    RangeError,
    ShapeError,
    TessellationError,
)
from cpabx.native.interrupts import interruption
from cpabx.native.library import Library


def raise_for_status(library: Library, status: int, *, item: int = -1, time: float = 1.0) -> None:
    """The exception that belongs to a status code, if it is an error."""
    lib = library.lib
    if status == lib.CPAB_OK:
        return
    if status == lib.CPAB_E_INTERRUPTED:
        raise interruption() or CpabxError(
            "a call that runs to its end", "an interrupt", "Call again; in C, see cpab_set_interrupt()."
        )
    text = library.ffi.string(lib.cpab_status_text(status)).decode()
    if status == lib.CPAB_E_RANGE:
        raise RangeError(
            f"|time| * |A| must be at most {lib.CPAB_MAX_RATE} for every velocity field",
            f"a larger one at batch item {item} (time {time:g})",
            "Make theta or the time smaller; a learning rate that is too large gets here.",
        )
    if status == lib.CPAB_E_DIVERGED:
        raise DivergenceError(
            "trajectories must stay in the range of the number type",
            f"one that does not at batch item {item} (time {time:g})",
            "Make theta or the time smaller, use outside='nearest', or a boundary that is not free.",
        )
    if status == lib.CPAB_E_TIME:
        raise OptionError("time must be finite", repr(time), "Pass a number; -1 is the inverse.")
    # From here on the text is what was asked for.
    if status == lib.CPAB_E_MEMORY:
        raise NativeMemoryError("a call to libcpab needs memory", text, "Free some, or use fewer threads or cells.")
    if status in (lib.CPAB_E_NDIM, lib.CPAB_E_CELLS, lib.CPAB_E_DOMAIN):
        raise TessellationError(text, "others", "Choose other cells or another domain.")
    if status == lib.CPAB_E_IMAGE:
        raise ShapeError(text, "another", "Leave empty images out, and cut larger ones.")
    if status == lib.CPAB_E_SHAPE:
        raise ShapeError(text, "others", "Check the shapes of points and theta.")
    raise CpabxError(
        "a call to libcpab must be valid", text, "This is a bug of cpabx or of the backend: please report it."
    )
