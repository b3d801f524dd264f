"""How many threads a call to libcpab may use, and whose they are."""

from __future__ import annotations

import os

from cpabx.errors import OptionError, shown
from cpabx.native.library import load
from cpabx.native.status import raise_for_status


def default_threads() -> int:
    """``CPABX_NUM_THREADS``, or the number of processors this process may run on."""
    n_threads = int(load().described().n_threads)
    if n_threads == 0:
        setting = os.environ.get("CPABX_NUM_THREADS")
        raise OptionError(
            "CPABX_NUM_THREADS must be a whole number from 1 to 999999999", shown(setting), "Correct or unset it."
        )
    return n_threads


def lend_threads(run: int, size: int) -> None:
    """Runs all calls of this process in a thread pool that the caller owns, with which threads of ours would compete.

    Calls that want more threads than the pool has go on starting their own, and so do forked children.

    Args:
        run: address of a function such as ``GOMP_parallel`` of OpenMP runtimes.
        size: address of one such as ``omp_get_max_threads``. ``cpab_set_team`` in ``cpab.h`` says what both must do.
    """
    native = load()
    team = native.ffi.cast("cpab_team_run", run), native.ffi.cast("cpab_team_size", size)
    raise_for_status(native, native.lib.cpab_set_team(*team))


def keep_own_threads() -> None:
    """Undoes :func:`lend_threads`."""
    native = load()
    raise_for_status(native, native.lib.cpab_set_team(native.ffi.NULL, native.ffi.NULL))
