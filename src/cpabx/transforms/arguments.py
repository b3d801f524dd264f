"""Checks of arguments that all families share."""

from __future__ import annotations

import math
import operator
from typing import Any

from cpabx import registry
from cpabx.backend import DTYPES, Backend, Tensor
from cpabx.errors import DeviceError, DtypeError, OptionError


def count(n: Any) -> int:
    """``n`` as a whole number of 0 or more."""
    try:
        value = operator.index(n)
    except TypeError:
        value = -1
    if value < 0:
        raise OptionError("n must be a whole number, 0 or more", repr(n), "Pass the number of parameter vectors.")
    return value


def dimension(ndim: Any) -> int:
    """``ndim`` as the number of coordinates of a point."""
    try:
        value = operator.index(ndim)
    except TypeError:
        value = 0
    if value not in (1, 2, 3):
        raise OptionError("ndim must be 1, 2 or 3", repr(ndim), "Pass 1 for signals, 2 for images, 3 for volumes.")
    return value


def float_name(dtype: str) -> str:
    """``dtype``, if transformations are computed in it."""
    if dtype not in DTYPES:
        raise DtypeError(f"dtype must be {' or '.join(DTYPES)}", repr(dtype), "Choose one of them.")
    return dtype


def finite_time(time: Any) -> float:
    """``time`` as a number."""
    try:
        value = float(time)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise OptionError("time must be a finite number", repr(time), "Pass a number; -1 is the inverse.")
    return value


def as_floats(backend: Backend, **values: Any) -> list[Tensor]:
    """Tensors of one float type on one device; lists take after the tensors beside them."""
    model = next((v for v in values.values() if registry.owner(v)), None)
    tensors = {}
    for name, value in values.items():
        if registry.owner(value):
            tensors[name] = backend.asarray(value)
        else:
            try:
                tensors[name] = backend.asarray(value, like=model, dtype=None if model is not None else "float32")
            except (TypeError, ValueError) as error:
                raise DtypeError(
                    f"{name} must be numbers", str(error), "Pass a rectangular array of floats."
                ) from error
    for name, tensor in tensors.items():
        if backend.dtype(tensor) not in DTYPES:
            raise DtypeError(
                f"{name} must be {' or '.join(DTYPES)}", backend.dtype(tensor), f"Convert {name} to one of them."
            )
    first, *others = tensors
    for name in others:
        a, b = tensors[first], tensors[name]
        if backend.dtype(a) != backend.dtype(b):
            raise DtypeError(
                f"{first} and {name} must have one dtype",
                f"{backend.dtype(a)} and {backend.dtype(b)}",
                "Convert one of them.",
            )
        here, there = backend.device(a), backend.device(b)
        if here != there and here is not None and there is not None:
            raise DeviceError(f"{first} and {name} must be on one device", f"{here} and {there}", "Move one of them.")
    return list(tensors.values())
