"""The compiled half: what XLA calls when it comes to a call of libcpab, told to JAX."""

from __future__ import annotations

import ctypes
import functools
import os
import sys
from pathlib import Path

import jax

from cpabx.errors import NativeLibraryError
from cpabx.native import Library

#: What programs call.
TARGET = "cpabx"


@functools.cache
def load() -> ctypes.CDLL:
    """The library that is built with the wheel; it is not linked to libcpab."""
    # An editable install has two directories: the sources, and where the library was installed.
    found = [path for entry in sys.modules["cpabx_jax"].__path__ for path in Path(entry).glob("libcpabx_jax.*")]
    if not found:
        raise ImportError("cpabx-jax was installed without its handler. Install it with pip, which compiles it.")
    return ctypes.CDLL(str(found[0]))


def register(library: Library, device: str, *, platform: str, name: str = TARGET, function: str = "") -> None:
    """Lets programs for a platform call the functions of a library.

    Args:
        library: of :mod:`cpabx.native`.
        device: ``"cpu"`` or ``"cuda"``, in whose memory it works.
        platform: JAX's name of that.
        name: the target's.
        function: of the handler; that of the device.

    Raises:
        NativeLibraryError: the handler was compiled for another ABI version.
    """
    opened = load()[f"cpabx_jax_open_{device}"]
    opened.argtypes, opened.restype = [ctypes.c_char_p], ctypes.c_char_p
    if wrong := opened(os.fsencode(library.path)):
        raise NativeLibraryError(
            f"cpabx-jax must be compiled for {library.path}", wrong.decode(), "Reinstall cpabx-jax, which compiles it."
        )
    jax.ffi.register_ffi_target(name, jax.ffi.pycapsule(load()[function or f"cpabx_jax_{device}"]), platform=platform)
