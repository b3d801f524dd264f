"""A reader of pickles that hold bytes, text, numbers, lists, dictionaries and numpy arrays of bytes: nothing else.

A pickle is a program that may call what it names. Here every name that it may use is replaced by a stand-in that
only keeps its arguments, and any other name is refused, so no code of a file is ever run, numpy's included. Nor can a
small file make much of itself: it may have as many instructions as one with images needs, none of those that copy or
that reserve memory, and nothing ever walks through a value that it made.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx_experiments.reading import named, shown

#: A batch has 3,072 bytes of pixels for each image, and fewer than ten instructions.
_FREE, _BYTES_PER_INSTRUCTION = 1_000, 64

#: What pickles of plain values and arrays consist of, in protocols 2 to 4. In Python's own names.
_ALLOWED = (
    *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1"),
    *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("EMPTY_DICT", "SETITEM", "SETITEMS", "EMPTY_LIST", "APPEND", "APPENDS"),
    *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET", "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
)
_Step = Callable[["_Unpickler"], None]


class _Bytes:
    """Stands for a numpy array while it is unpickled."""

    array: NDArray[np.uint8] | None = None

    def __setstate__(self, state: tuple[int, tuple[int, ...], Any, bool, bytes]) -> None:
        _, shape, dtype, column_major, content = state
        if not isinstance(dtype, _Dtype) or column_major or not _fits(shape, content):
            raise pickle.UnpicklingError("an array whose shape is not that of its bytes, or in columns")
        self.array = np.frombuffer(content, np.uint8).reshape(shape)


def _fits(shape: object, content: object) -> bool:
    """Whether a shape is one, and that of these bytes."""
    if type(shape) is not tuple or type(content) is not bytes or len(shape) > 4:
        return False
    return all(type(n) is int and 0 <= n < 1 << 31 for n in shape) and math.prod(shape) == len(content)


class _Dtype:
    """Stands for numpy's unsigned byte, the only element type of the official files."""

    def __init__(self, code: str | bytes, *options: Any) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {shown(code)}")

    def __setstate__(self, state: Any) -> None:
        pass


class _Dictionary(dict[str | bytes, Any]):
    """With keys that are text: the hash of others can take for ever."""

    __slots__ = ()

    def __setitem__(self, key: str | bytes, value: Any) -> None:
        if type(key) not in (str, bytes):
            raise pickle.UnpicklingError(f"a dictionary with the key {shown(key)}")
        super().__setitem__(key, value)


class _Instructions:
    """By their codes; the one that is one too many, and one that is not allowed, is refused."""

    def __init__(self, most: int) -> None:
        self._most, self._left = most, most

    def __getitem__(self, code: int) -> _Step:
        self._left -= 1
        if self._left < 0:
            raise pickle.UnpicklingError(f"more than {self._most:,} instructions, too many for its size")
        step = _STEPS.get(code)
        if step is None:
            raise pickle.UnpicklingError(f"the instruction {bytes([code])!r}, which no official file has")
        return step


class _Unpickler(pickle._Unpickler):
    """The one in Python: that in C makes room for as many values as a damaged number says, 34 GB for five bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.dispatch = _Instructions(_FREE + len(content) // _BYTES_PER_INSTRUCTION)  # type: ignore[misc, assignment]
        self._to_encode = len(content)

    def find_class(self, module: str, name: str) -> Any:
        # Made for each name anew: a pickle may also set attributes of what it gets.
        if (module, name) == ("_codecs", "encode"):
            return lambda *arguments: self._encode(*arguments)
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return lambda *arguments: _Bytes()
        if (module, name) == ("numpy", "ndarray"):
            return object()
        if (module, name) == ("numpy", "dtype"):
            return lambda *arguments: _Dtype(*arguments)
        raise pickle.UnpicklingError(f"it asks for {named(f'{module}.{name}')}, which no official file does")

    def _encode(self, text: str, encoding: str = "latin1") -> bytes:
        """Python 3 writes bytes for old readers as a call of this, once for each text."""
        if encoding != "latin1":
            raise pickle.UnpicklingError(f"text in {shown(encoding)}")
        self._to_encode -= len(text)
        if self._to_encode < 0:
            raise pickle.UnpicklingError("the same text encoded again and again")
        return text.encode("latin1")

    def _empty_dictionary(self) -> None:
        self.append(_Dictionary())  # type: ignore[attr-defined]


_STEPS: dict[int, _Step] = {
    (code := getattr(pickle, name)[0]): pickle._Unpickler.dispatch[code]  # type: ignore[misc]
    for name in _ALLOWED
}
_STEPS[pickle.EMPTY_DICT[0]] = _Unpickler._empty_dictionary


def unpickle(content: bytes) -> dict[str, Any]:
    """The dictionary in a pickle; keys are text, arrays are (...) uint8.

    Raises:
        pickle.UnpicklingError: it is damaged, or holds anything but plain values and arrays of bytes.
    """
    try:
        values = _Unpickler(content).load()
        if not isinstance(values, dict):
            raise pickle.UnpicklingError(f"{shown(values)}, not a dictionary")
        return {_text(key): value.array if isinstance(value, _Bytes) else value for key, value in values.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can raise whatever its instructions, in a wrong order, can
        raise pickle.UnpicklingError(f"{type(error).__name__}: {str(error)[:200]}") from error


def _text(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key


__all__ = ["unpickle"]
