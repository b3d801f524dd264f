"""The exceptions of cpabx. Each says what was asked, what was received, and what to do."""

from __future__ import annotations

import reprlib
from typing import Any

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 120
_REPR.maxlong = 40


def shown(value: Any) -> str:
    """A value in a message: its repr, not longer than a line, whatever it is."""
    try:
        text = _REPR.repr(value)
        return text if len(text) <= 200 else f"{text[:190]} ... "
    except Exception:  # of any kind: it is a stranger's __repr__, or a number of too many digits
        return f"a {type(value).__name__} that cannot be written"


class CpabxError(Exception):
    """Base class of all errors that cpabx raises on purpose.

    Args:
        asked: what was asked for, or required.
        received: what came instead.
        remedy: what to do about it.

    The only one of ``args`` is the whole message, and a message alone makes an error, too: so it keeps its class
    and its text where a framework adds to the message and raises it again, as Keras does around a layer's call.
    """

    def __init__(self, asked: str, received: str = "", remedy: str = "") -> None:
        super().__init__(f"{asked}; got {received}. {remedy}" if received or remedy else asked)
        self.asked = asked
        self.received = received
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.asked, self.received, self.remedy), self.__dict__


class ShapeError(CpabxError, ValueError):
    """An array has the wrong rank or size."""


class DtypeError(CpabxError, TypeError):
    """An array has the wrong element type, or two arrays have different ones."""


class DeviceError(CpabxError, ValueError):
    """A tensor is on a device that cannot be used, or two tensors are on different ones."""


class OptionError(CpabxError, ValueError):
    """An option has a value that does not exist."""


class TessellationError(CpabxError, ValueError):
    """A tessellation that cannot be made: numbers of cells, domain, or basis."""


class MatrixError(CpabxError, ValueError):
    """A matrix is singular where its inverse is needed, or is none of the family's."""


class RangeError(CpabxError, ValueError):
    """A velocity field too large to integrate."""


class DivergenceError(CpabxError, ArithmeticError):
    """A trajectory left the range of its number type."""


class NativeLibraryError(CpabxError, ImportError):
    """libcpab is missing, or is not the library that this cpabx was made for."""


class NativeMemoryError(CpabxError, MemoryError):
    """libcpab could not allocate memory."""


class MissingPackageError(CpabxError, ImportError):
    """A part of cpabx needs a package that is not installed."""


class UnsupportedError(CpabxError, NotImplementedError):
    """Something that is not there yet, and would otherwise give a wrong number."""


class BackendNotFoundError(CpabxError, ImportError):
    """No installed backend has the name."""


class BackendLoadError(CpabxError, ImportError):
    """A backend is installed but cannot be used."""


class BackendMismatchError(CpabxError, TypeError):
    """One call was given tensors of two frameworks, or a backend that contradicts a tensor."""


__all__ = [
    "BackendLoadError",
    "BackendMismatchError",
    "BackendNotFoundError",
    "CpabxError",
    "DeviceError",
    "DivergenceError",
    "DtypeError",
    "MatrixError",
    "MissingPackageError",
    "NativeLibraryError",
    "NativeMemoryError",
    "OptionError",
    "RangeError",
    "ShapeError",
    "TessellationError",
    "UnsupportedError",
]
