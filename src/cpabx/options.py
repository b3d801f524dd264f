"""Checks of options that are no tensors: each is what it must be, or an error says what it was."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from cpabx.errors import OptionError, shown


def one_of(name: str, value: Any, known: Sequence[str]) -> str:
    """One of some names.

    Raises:
        OptionError: it is something else.
    """
    if not isinstance(value, str) or value not in known:
        raise OptionError(f"{name} must be one of {', '.join(known)}", shown(value), "Choose one of them.")
    return value


def flag(name: str, value: Any) -> bool:
    """True or False.

    Raises:
        OptionError: it is something else, such as the name of one.
    """
    if not isinstance(value, (bool, np.bool_)):
        raise OptionError(f"{name} must be True or False", shown(value), "Choose one of them.")
    return bool(value)


def number(value: Any) -> float:
    """A real number as a float; NaN for what is none, or too large for a float."""
    if isinstance(value, (str, bytes, bytearray)):  # float would read them
        return math.nan
    try:
        return float(value)
    except Exception:  # of any kind: a stranger's __float__
        return math.nan


def whole_number(value: Any) -> int | None:
    """A whole number as an int; None for what is none."""
    try:
        return operator.index(value)
    except Exception:  # of any kind: a stranger's __index__
        return None


def positive(name: str, value: Any, *, or_zero: bool = False, remedy: str = "Choose another.") -> float:
    """A finite number above 0, or from 0.

    Raises:
        OptionError: it is something else.
    """
    given = math.nan if isinstance(value, (bool, np.bool_)) else number(value)
    if not math.isfinite(given) or given < 0 or (given == 0 and not or_zero):
        raise OptionError(
            f"{name} must be a finite number, {'0 or more' if or_zero else 'more than 0'}", shown(value), remedy
        )
    return given


def at_least(least: int, name: str, value: Any, *, remedy: str = "Choose another.") -> int:
    """A whole number from a least one.

    Raises:
        OptionError: it is something else.
    """
    given = None if isinstance(value, (bool, np.bool_)) else whole_number(value)
    if given is None or given < least:
        raise OptionError(f"{name} must be a whole number, {least} or more", shown(value), remedy)
    return given


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows, for one
        return 1 << 47  # what processors can address


#: Bytes of this machine's memory: what is larger is refused before anybody tries to allocate it.
MEMORY = _memory()


def in_bytes(size: int) -> str:
    """A number of bytes for people."""
    power = min(max(0, (size.bit_length() - 1) // 10), 8)
    unit = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")[power]
    return f"{size / 2 ** (10 * power):.3g} {unit}" if size < 1 << 1000 else "more bytes than can be written"
