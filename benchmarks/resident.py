"""How much memory a function needs beyond what the process holds already.

Linux only: the peak of the resident set is read from /proc, and reset there.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

#: Environment with which large blocks go back to the system when they are freed, so that none are reused unseen.
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}


def with_peak(function: Callable[[], T]) -> tuple[T, float]:
    """What it returns, and by how many MiB the resident set grew at most.

    Raises:
        OSError: the system does not tell, or does not let the peak be reset.
    """
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak is what it is now
    before = _status("VmRSS")
    result = function()
    return result, _status("VmHWM") - before


def _status(which: str) -> float:
    for entry in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if entry.startswith(which):
            return int(entry.split()[1]) / 1024
    raise OSError(f"no {which} in /proc/self/status")
