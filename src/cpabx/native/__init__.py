"""libcpab and libcpab_cuda through cffi: loading, status codes as exceptions, and their functions."""

from cpabx.native import arrays, functions
from cpabx.native.device import Device, tables_of
from cpabx.native.library import Library, cuda_for, load, load_cuda
from cpabx.native.memory import HOST, HostArrays, Memory
from cpabx.native.report import Report
from cpabx.native.threads import default_threads, keep_own_threads, lend_threads

__all__ = [
    "HOST",
    "Device",
    "HostArrays",
    "Library",
    "Memory",
    "Report",
    "arrays",
    "cuda_for",
    "default_threads",
    "functions",
    "keep_own_threads",
    "lend_threads",
    "load",
    "load_cuda",
    "tables_of",
]
