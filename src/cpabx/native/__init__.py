"""libcpab through cffi: loading, status codes as exceptions, and its functions."""

from cpabx.native import arrays, functions
from cpabx.native.library import Library, load
from cpabx.native.memory import HOST, HostArrays, Memory
from cpabx.native.threads import default_threads, keep_own_threads, lend_threads

__all__ = [
    "HOST",
    "HostArrays",
    "Library",
    "Memory",
    "arrays",
    "default_threads",
    "functions",
    "keep_own_threads",
    "lend_threads",
    "load",
]
