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
    """The loaded library: cffi's ``ffi`` and ``lib``, and where it came from; and what every call needs of them."""

    ffi: Any
    lib: Any
    path: Path
    cast: Any
    void: Any
    call_size: int
    image_size: int
    paddings: dict[str, int]
    interpolations: dict[str, int]

    @classmethod
    def of(cls, ffi: Any, lib: Any, path: Path) -> Library:
        """The library with what can be looked up once."""
        sizes = (ffi.sizeof(name) for name in ("cpab_call", "cpab_image"))
        codes = (_codes(ffi, name) for name in ("cpab_padding", "cpab_interpolation"))
        return cls(ffi, lib, path, ffi.cast, ffi.typeof("void *"), *sizes, *codes)

    def described(self) -> Any:
        """What the library says of itself now, as a ``cpab_library *``."""
        return _described(self.ffi, self.lib)

    @property
    def version(self) -> str:
        return self._text("version")

    @property
    def abi_version(self) -> int:
        return int(self.described().abi_version)

    @property
    def build_info(self) -> str:
        return self._text("build_info")

    def _text(self, name: str) -> str:
        return str(self.ffi.string(getattr(self.described(), name)).decode())


def _codes(ffi: Any, enumeration: str) -> dict[str, int]:
    """The values of an enumeration of the header, by their names here: ``"zeros"`` for CPAB_PADDING_ZEROS."""
    values = ffi.typeof(enumeration).relements.items()
    return {name.removeprefix(f"{enumeration.upper()}_").lower(): value for name, value in values}


def _described(ffi: Any, lib: Any) -> Any:
    library = ffi.new("cpab_library *")
    library.struct_size = ffi.sizeof("cpab_library")
    lib.cpab_library_describe(library)
    return library


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
        library, expected = _described(ffi, lib), lib.CPAB_ABI_VERSION
    except (OSError, AttributeError) as error:
        raise NativeLibraryError(
            f"{path} must load", str(error), _remedy("Reinstall cpabx for this platform.")
        ) from error
    if library.abi_version != expected:
        raise NativeLibraryError(
            f"libcpab must have ABI version {expected}, as its header says",
            f"version {library.abi_version} from {path}",
            _remedy("Reinstall cpabx: library and header come from different builds."),
        )
    if library.isa_status != lib.CPAB_OK:
        names = ffi.string(library.isa_names).decode()
        raise OptionError(
            f"CPAB_ISA must be an instruction set of this processor and build: {names}",
            repr(os.environ.get("CPAB_ISA")),
            "Correct or unset it.",
        )
    return Library.of(ffi, lib, path)
