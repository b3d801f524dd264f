"""How many threads a call to libcpab may use."""

from __future__ import annotations

import os

from cpabx.errors import OptionError, shown
from cpabx.native.library import load
from cpabx.native.status import raise_for_status

#: Starting a thread costs about as much as moving a hundred points.
_POINTS_PER_THREAD = 2048


def default_threads() -> int:
    """``CPABX_NUM_THREADS``, or the number of processors this process may run on."""
    setting = os.environ.get("CPABX_NUM_THREADS")
    if setting is None:
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1
    if not setting.isdecimal() or len(setting) > 9 or int(setting) < 1:
        raise OptionError(
            "CPABX_NUM_THREADS must be a whole number from 1 to 999999999", shown(setting), "Correct or unset it."
        )
    return int(setting)


def worthwhile(n_threads: int | None, n_points: int) -> int:
    """At most ``n_threads`` (default :func:`default_threads`), fewer where there is little to do."""
    most = default_threads() if n_threads is None else n_threads
    return max(1, min(most, n_points // _POINTS_PER_THREAD))


def lend_threads(run: int, size: int) -> None:
    """Lets all calls of this process run in a team of threads that somebody else keeps: ours would compete with it.

    Calls that want more threads than the team has go on starting their own, and so do forked children.

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
