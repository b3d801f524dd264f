"""Load libcpab. Nothing is compiled: cffi parses the very header that the library was built with."""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi

from cpabx.errors import NativeLibraryError, OptionError

_FILE_NAME = {"win32": "cpab.dll", "darwin": "libcpab.dylib"}.get(sys.platform, "libcpab.so")


@dataclass(frozen=True)
class Library:
    """The loaded library: cffi's ``ffi`` and ``lib``, and where it came from."""

    ffi: Any
    lib: Any
    path: Path

    @property
    def version(self) -> str:
        return str(self.ffi.string(self.lib.cpab_version()).decode())

    @property
    def abi_version(self) -> int:
        return int(self.lib.cpab_abi_version())

    @property
    def build_info(self) -> str:
        return str(self.ffi.string(self.lib.cpab_build_info()).decode())


def declarations(header: str) -> str:
    """The part of cpab.h that is plain C declarations."""
    body = header.split("/* cdef begin", 1)[1].split("/* cdef end", 1)[0].split("*/", 1)[1]
    return re.sub(r"\bCPAB_API\b", "", body)


def _directories() -> list[Path]:
    override = os.environ.get("CPABX_LIBRARY_DIR")
    if override:
        return [Path(override)]
    # An editable install has two: the sources, and where the library was installed.
    return [Path(entry) for entry in sys.modules["cpabx.native"].__path__]


def _remedy(otherwise: str) -> str:
    if os.environ.get("CPABX_LIBRARY_DIR"):
        return "CPABX_LIBRARY_DIR says to look there: correct or unset it."
    return otherwise


@functools.cache
def load() -> Library:
    """The library, loaded on first use and checked against its header.

    ``CPABX_LIBRARY_DIR`` names another directory with the library and ``cpab.h``.

    Raises:
        NativeLibraryError: not found, not loadable, or of another ABI version.
        OptionError: ``CPAB_ISA`` names an instruction set that does not exist, or not here.
    """
    directories = _directories()
    found = [d for d in directories if (d / _FILE_NAME).is_file() and (d / "cpab.h").is_file()]
    if not found:
        raise NativeLibraryError(
            f"cpabx needs {_FILE_NAME} and cpab.h",
            "neither in " + ", ".join(map(str, directories)),
            _remedy("Install cpabx as a wheel or with pip install, which builds them."),
        )
    ffi = cffi.FFI()
    header, path = found[0] / "cpab.h", found[0] / _FILE_NAME
    try:
        ffi.cdef(declarations(header.read_text(encoding="utf-8")))
    except Exception as error:  # what is no header fails in many ways
        raise NativeLibraryError(
            f"{header} must be the header of libcpab",
            f"a file that cannot be read as one ({type(error).__name__})",
            _remedy("Reinstall cpabx."),
        ) from error
    try:
        lib = ffi.dlopen(str(path))
        version, expected = lib.cpab_abi_version(), lib.CPAB_ABI_VERSION
    except (OSError, AttributeError) as error:
        raise NativeLibraryError(
            f"{path} must load", str(error), _remedy("Reinstall cpabx for this platform.")
        ) from error
    if version != expected:
        raise NativeLibraryError(
            f"libcpab must have ABI version {expected}, as its header says",
            f"version {version} from {path}",
            _remedy("Reinstall cpabx: library and header come from different builds."),
        )
    if lib.cpab_isa_status() != lib.CPAB_OK:
        names = ffi.string(lib.cpab_isa_names()).decode()
        raise OptionError(
            f"CPAB_ISA must be an instruction set of this processor and build: {names}",
            repr(os.environ.get("CPAB_ISA")),
            "Correct or unset it.",
        )
    return Library(ffi, lib, path)
