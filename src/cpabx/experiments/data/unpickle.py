"""A reader of pickles that hold bytes, text, numbers, lists, dictionaries and numpy arrays of bytes: nothing else.

A pickle is a program that may call what it names. Here every name that it may use is replaced by a stand-in that
only keeps its arguments, and any other name is refused, so no code of a file is ever run, numpy's included.
"""

from __future__ import annotations

import io
import math
import pickle
from typing import Any

import numpy as np
from numpy.typing import NDArray


class _Bytes:
    """Stands for a numpy array while it is unpickled."""

    array: NDArray[np.uint8] | None = None

    def __setstate__(self, state: tuple[int, tuple[int, ...], Any, bool, bytes | str]) -> None:
        _, shape, dtype, column_major, content = state
        if isinstance(content, str):  # an array that Python 2 wrote, read as text
            content = content.encode("latin1")
        if not isinstance(dtype, _Dtype) or column_major or len(content) != math.prod(shape):
            raise pickle.UnpicklingError(f"an array {shape} with {len(content)} bytes, or in columns")
        self.array = np.frombuffer(content, np.uint8).reshape(shape)


class _Dtype:
    """Stands for numpy's unsigned byte, the only element type of the official files."""

    def __init__(self, code: str | bytes, *options: Any) -> None:
        if code not in ("u1", b"u1"):
            raise pickle.UnpicklingError(f"an array of {code!r}")

    def __setstate__(self, state: Any) -> None:
        pass


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Python 3 writes bytes for old readers as a call of this."""
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"text in {encoding!r}")
    return text.encode("latin1")


class _Unpickler(pickle._Unpickler):
    """The one in Python: that in C makes room for as many values as a damaged number says, 34 GB for five bytes."""

    def find_class(self, module: str, name: str) -> Any:
        # Made for each name anew: a pickle may also set attributes of what it gets.
        if (module, name) == ("_codecs", "encode"):
            return lambda *arguments: _encode(*arguments)
        if (module, name) in (("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")):
            return lambda *arguments: _Bytes()
        if (module, name) == ("numpy", "ndarray"):
            return object()
        if (module, name) == ("numpy", "dtype"):
            return lambda *arguments: _Dtype(*arguments)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which no official file does")


def unpickle(content: bytes) -> dict[str, Any]:
    """The dictionary in a pickle; keys are text, arrays are (...) uint8.

    Raises:
        pickle.UnpicklingError: it is damaged, or holds anything but plain values and arrays of bytes.
    """
    try:
        values = _Unpickler(io.BytesIO(content), encoding="bytes").load()
        if not isinstance(values, dict):
            raise pickle.UnpicklingError(f"a {type(values).__name__}, not a dictionary")
        return {_text(key): value.array if isinstance(value, _Bytes) else value for key, value in values.items()}
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle can raise whatever its instructions, in a wrong order, can
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)


__all__ = ["unpickle"]
