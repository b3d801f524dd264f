"""libcpab's loops in the OpenMP threads that torch keeps.

After each of its own loops a thread of torch stays awake for some milliseconds, waiting for the next one; threads of
ours would have to share its processor.
"""

from __future__ import annotations

import ctypes

import torch

from cpabx import native


def join_torch() -> None:
    """Lets libcpab work in torch's team of threads, if it has an OpenMP runtime that can be found."""
    try:
        torch_itself = ctypes.CDLL(torch._C.__file__)  # symbols are looked up in what it was linked with, too
        run, size = torch_itself.GOMP_parallel, torch_itself.omp_get_max_threads
    except (AttributeError, OSError):
        return
    native.lend_threads(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in (run, size)))
