"""Checks of arguments that all families share."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import DTYPES, Backend, Tensor
from cpabx.errors import BackendMismatchError, CpabxError, DeviceError, DtypeError, OptionError, shown
from cpabx.options import whole_number


def count(n: Any) -> int:
    """``n`` as a whole number, from 0 to what an array can count."""
    try:
        value = n if type(n) is int else operator.index(n)  # of a compiler's number index would make a constant
    except (TypeError, AttributeError):  # the latter is that of tensors of TensorFlow
        value = -1
    if not 0 <= value < 1 << 31:
        raise OptionError(
            "n must be a whole number, from 0 to 2147483647", shown(n), "Pass the number of parameter vectors."
        )
    return value


def dimension(ndim: Any) -> int:
    """``ndim`` as the number of coordinates of a point."""
    value = whole_number(ndim)
    if value not in (1, 2, 3):
        raise OptionError("ndim must be 1, 2 or 3", shown(ndim), "Pass 1 for signals, 2 for images, 3 for volumes.")
    return value


def float_name(dtype: str) -> str:
    """``dtype``, if transformations are computed in it."""
    if not isinstance(dtype, str) or dtype not in DTYPES:
        raise DtypeError(f"dtype must be the name {' or '.join(DTYPES)}", shown(dtype), "For instance 'float32'.")
    return dtype


def finite(name: str, value: Any, remedy: str) -> float:
    """A finite number."""
    if type(value) is float and abs(value) < math.inf:
        return value
    try:
        # Of strings float would read numbers.
        is_number = registry.owner(value) in (None, "numpy") and not isinstance(value, (str, bytes, bytearray))
        number = float(value) if is_number else math.nan
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not abs(number) < math.inf:  # compilers know comparisons, and not math.isfinite, of numbers that may change
        raise OptionError(f"{name} must be a finite number", shown(value), remedy)
    return number


#: The time to follow a flow for, as a finite number.
finite_time = functools.partial(finite, "time", remedy="Pass a number; -1 is the inverse.")


def as_floats(backend: Backend, **values: Any) -> list[Tensor]:
    """Tensors of one float type on one device; lists take after the tensors beside them.

    The one door: whatever tensor or list a function is given comes through here, or through :func:`host_values`.

    Raises:
        DtypeError: no dense array of float32 or float64, or two types.
        DeviceError: two devices.
        BackendMismatchError: a tensor of another framework.
    """
    if backend.are_ready(*values.values()):
        return list(values.values())
    owners, model = {}, None
    for name, value in values.items():
        owners[name] = registry.owner(value)
        if model is None and owners[name]:
            model = value
    tensors, dtypes = {}, {}
    for name, value in values.items():
        if owners[name]:
            tensor = _dense(backend, name, value, owners[name])
        else:
            numbers = listed_numbers(name, value)
            tensor = backend.asarray(numbers, like=model, dtype=None if model is not None else "float32")
        tensors[name], dtypes[name] = tensor, backend.dtype(tensor)
    for name, dtype in dtypes.items():
        if dtype not in DTYPES:
            raise DtypeError(f"{name} must be {' or '.join(DTYPES)}", dtype, f"Convert {name} to one of them.")
    first, *others = tensors
    for name in others:
        if dtypes[first] != dtypes[name]:
            raise DtypeError(
                f"{first} and {name} must have one dtype", f"{dtypes[first]} and {dtypes[name]}", "Convert one of them."
            )
        _check_devices(backend, **{first: tensors[first], name: tensors[name]})
    return list(tensors.values())


def floats_beside(backend: Backend, theta: Any, images: Any) -> tuple[Tensor, Tensor]:
    """Theta as floats, and images of any element type, on one device."""
    (theta,) = as_floats(backend, theta=theta)
    images = _dense(backend, "images", images, registry.owner(images))
    _check_devices(backend, theta=theta, images=images)
    return theta, images


def _check_devices(backend: Backend, **tensors: Tensor) -> None:
    here, there = map(backend.device, tensors.values())
    if here != there and here is not None and there is not None:
        raise DeviceError(f"{' and '.join(tensors)} must be on one device", f"{here} and {there}", "Move one of them.")


def host_values(name: str, value: Any, kinds: str = "iuf") -> NDArray[Any]:
    """The numbers of a tensor of any backend, or of a list, as an array of numpy: for what is computed there.

    Args:
        name: of the argument.
        value: what it is.
        kinds: of numpy's element types that are welcome.

    Raises:
        DtypeError: no dense array of such numbers.
    """
    owner = registry.owner(value)
    if owner is None:
        return listed_numbers(name, value, kinds)
    backend = registry.get_backend(owner)
    tensor = _dense(backend, name, value, owner)
    try:
        array = backend.to_numpy(tensor)
    except Exception as error:  # frameworks raise of all kinds
        raise DtypeError(
            f"{name} must be numbers that can be read", f"{backend.dtype(tensor)} on {backend.device(tensor)}", _PLAIN
        ) from error
    if array.dtype.kind not in kinds:
        raise DtypeError(f"{name} must be numbers", backend.dtype(tensor), _PLAIN)
    return array


def _dense(backend: Backend, name: str, value: Tensor, owner: str | None) -> Tensor:
    """A tensor of the backend, if it is its own and an array of numbers side by side."""
    if owner != backend.name:
        raise BackendMismatchError(
            "all tensors of a call must come from one framework",
            f"{name} from {owner} beside others from {backend.name}",
            "Convert them to one of the two.",
        )
    try:
        return backend.asarray(value)
    except (TypeError, ValueError) as error:
        if isinstance(error, CpabxError):
            raise
        raise DtypeError(f"{name} must be a dense array of numbers", str(error), _PLAIN) from error


def listed_numbers(name: str, value: Any, kinds: str = "iuf") -> NDArray[Any]:
    """The numbers of nested lists, or of an object that numpy reads.

    Numpy itself would also read numbers in strings, and take None for NaN.
    """
    first = value
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if first is not value and registry.owner(first) not in (None, "numpy"):
        raise DtypeError(f"{name} must be one tensor", "a list of tensors", "Stack them.")
    try:
        array = np.asarray(value)
    except Exception as error:  # of any kind: an object's own __array__
        raise DtypeError(f"{name} must be numbers", _LISTS, "Pass a rectangular array of floats.") from error
    if array.dtype.kind not in kinds:
        received = f"a {type(value).__name__} of {array.dtype}" if array.ndim else shown(value)
        raise DtypeError(f"{name} must be numbers", received, "Pass a rectangular array of floats.")
    return array


_PLAIN = "Pass a plain array of float32 or float64."
_LISTS = "lists of different lengths, or of what are no numbers"
