"""Load libcpab, and libcpab_cuda beside it. Nothing is compiled: cffi parses the very header they were built with."""

from __future__ import annotations

import functools
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cffi

from cpabx.errors import DeviceError, NativeLibraryError, OptionError

_PATTERN = {"win32": "{}.dll", "darwin": "lib{}.dylib"}.get(sys.platform, "lib{}.so")
_FILE_NAME, _CUDA_FILE_NAME = _PATTERN.format("cpab"), _PATTERN.format("cpab_cuda")


@dataclass(frozen=True)
class Library:
    """A loaded library: cffi's ``ffi`` and ``lib``, and where it came from; and what every call needs of them.

    Attributes:
        path: its file; the header, ``cpab.h``, lies beside that of libcpab.
        device: the ``cpab_device`` whose memory it works in.
        call: cffi's type ``cpab_call *``.
        functions: numbers of what there is to compute, by the name of a row of :mod:`cpabx.native.functions`.
        entries: the functions that compute it, by the same names: after their struct they take addresses as numbers,
            of which no objects need be made for a call.
    """

    ffi: Any
    lib: Any
    path: Path
    device: int
    cast: Any
    void: Any
    null: Any
    call: Any
    call_size: int
    image_size: int
    paddings: dict[str, int]
    interpolations: dict[str, int]
    functions: dict[str, int]
    entries: dict[str, Any]

    @classmethod
    def of(cls, ffi: Any, lib: Any, path: Path) -> Library:
        """The library with what can be looked up once."""
        functions = _codes(ffi, "cpab_function", prefix="CPAB_")
        return cls(
            ffi,
            lib,
            path,
            device=int(_described(ffi, lib).device),
            cast=ffi.cast,
            void=ffi.typeof("void *"),
            null=ffi.NULL,
            call=ffi.typeof("cpab_call *"),
            call_size=ffi.sizeof("cpab_call"),
            image_size=ffi.sizeof("cpab_image"),
            paddings=_codes(ffi, "cpab_padding"),
            interpolations=_codes(ffi, "cpab_interpolation"),
            functions=functions,
            entries={name: _by_addresses(ffi, getattr(lib, f"cpab_{name}")) for name in functions},
        )

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


def _codes(ffi: Any, enumeration: str, prefix: str = "") -> dict[str, int]:
    """The values of an enumeration of the header, by their names here: ``"zeros"`` for CPAB_PADDING_ZEROS."""
    values, before = ffi.typeof(enumeration).relements.items(), prefix or f"{enumeration.upper()}_"
    return {name.removeprefix(before).lower(): value for name, value in values}


def _by_addresses(ffi: Any, function: Any) -> Any:
    """A function of a ``cpab_call *`` and pointers, which takes numbers in their place: they are passed alike."""
    n_arrays = len(ffi.typeof(function).args) - 1
    return ffi.cast(f"cpab_status (*)(cpab_call *{', uintptr_t' * n_arrays})", function)


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
    lib, library = _opened(ffi, path, "libcpab")
    if library.isa_status != lib.CPAB_OK:
        names = ffi.string(library.isa_names).decode()
        raise OptionError(
            f"CPAB_ISA must be an instruction set of this processor and build: {names}",
            repr(os.environ.get("CPAB_ISA")),
            "Correct or unset it.",
        )
    return Library.of(ffi, lib, path)


@functools.cache
def load_cuda() -> Library:
    """libcpab_cuda, which works in the memory of CUDA devices, loaded on first use from beside libcpab.

    Not every cpabx is built with it. A driver need not be there to load it.

    Raises:
        NativeLibraryError: not found, not loadable, of another ABI version, or not for such devices.
    """
    host = load()
    path = host.path.with_name(_CUDA_FILE_NAME)
    if not path.is_file():
        raise NativeLibraryError(
            f"CUDA devices need {_CUDA_FILE_NAME} beside {_FILE_NAME}",
            f"none in {path.parent}",
            _BUILD_CUDA + " CPABX_LIBRARY_DIR says to look there." * ("CPABX_LIBRARY_DIR" in os.environ),
        )
    return open_cuda(path)


def open_cuda(path: Path) -> Library:
    """A library with the header of libcpab that works in the memory of CUDA devices.

    Raises:
        NativeLibraryError: not loadable, of another ABI version, or not for such devices.
    """
    host = load()
    lib, library = _opened(host.ffi, path, "libcpab_cuda")
    if library.device != host.lib.CPAB_CUDA:
        raise NativeLibraryError(
            f"{path} must be for CUDA devices", f"a library for device {library.device}", _remedy("Reinstall cpabx.")
        )
    return Library.of(host.ffi, lib, path)


_BUILD_CUDA = "Build cpabx where there is nvcc, with -C cmake.define.CPAB_CUDA=ON."
_MOVE = "Or move points and theta to the CPU; fallback='cpu' of cpabx.set_backend() does it."


def cuda_for(received: str, *, otherwise: str = _MOVE) -> Library:
    """:func:`load_cuda` for a tensor that lies on such a device.

    Args:
        received: what lies there.
        otherwise: what to do without the library.

    Raises:
        DeviceError: it cannot be loaded.
    """
    try:
        return load_cuda()
    except NativeLibraryError as error:
        raise DeviceError(
            "CPAB transformations on CUDA devices need libcpab_cuda",
            f"{received}, and no such library: {error.asked}; got {error.received}",
            f"{error.remedy} {otherwise}",
        ) from error


def _opened(ffi: Any, path: Path, name: str) -> tuple[Any, Any]:
    """A library's functions, and what it says of itself, after its ABI version was compared with the header's."""
    try:
        lib = ffi.dlopen(str(path))
        library, expected = _described(ffi, lib), lib.CPAB_ABI_VERSION
    except (OSError, AttributeError) as error:
        raise NativeLibraryError(
            f"{path} must load", str(error), _remedy("Reinstall cpabx for this platform.")
        ) from error
    if library.abi_version != expected:
        raise NativeLibraryError(
            f"{name} must have ABI version {expected}, as its header says",
            f"version {library.abi_version} from {path}",
            _remedy("Reinstall cpabx: library and header come from different builds."),
        )
    return lib, library
