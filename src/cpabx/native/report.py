"""What fails on a device, of which nobody waits for the end: the device leaves a note, and a later call reads it."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import OptionError, shown
from cpabx.native.library import Library
from cpabx.native.status import raise_for_status

_MODES = ("deferred", "now")


def now() -> bool:
    """Whether each call is to wait for its device, and raise what went wrong: ``CPABX_CHECK`` is ``now``.

    By default, ``deferred``, the next call raises it, or :func:`cpabx.check_device_errors`.

    Raises:
        OptionError: that variable is neither.
    """
    mode = os.environ.get("CPABX_CHECK") or "deferred"
    if mode not in _MODES:
        raise OptionError("CPABX_CHECK must be deferred or now", shown(mode), "Correct or unset it.")
    return mode == "now"


class Report:
    """The two words of a ``cpab_report``: the items of a batch that failed, one by one, or -1.

    Args:
        words: (2,) int32, in memory that the device writes to and the CPU reads, full of -1.
        where: the device's name.
    """

    def __init__(self, words: NDArray[np.int32], where: str) -> None:
        self.address = int(words.ctypes.data)
        self._owner = words
        self._words = words.data  # which takes a tenth of the time of an array
        self._where = where

    def raise_for_call(self, library: Library, time: float) -> None:
        """Raises what failed in the call that has just been waited for."""
        if failed := self._take(library):
            raise_for_status(library, failed[0], item=failed[1], time=time)

    def raise_earlier(self, library: Library) -> None:
        """Raises what failed in a call that the device is done with, if it has said so by now."""
        if failed := self._take(library):
            raise_for_status(library, failed[0], item=failed[1], earlier=self._where)

    def _take(self, library: Library) -> tuple[int, int] | None:
        """A status and an item, of which the device then knows nothing any more."""
        words = self._words
        for number in (0, 1):
            if (item := words[number]) >= 0:
                words[number] = -1
                return (library.lib.CPAB_E_DIVERGED if number else library.lib.CPAB_E_RANGE), item
        return None
