"""Numbers of a wrong kind, to every public function: a right result, or an error that names the argument."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import CpabxError
from cpabx.testing.cases import Array, tensor
from cpabx.testing.public import SUBJECTS, Call, calls_with_numbers

#: Element types that nothing is computed in.
DTYPES = ("bool", "uint8", "int32", "int64", "float16", "bfloat16", "complex64", "complex128")

#: What is like numbers and is none: nothing that can be computed with it would be right.
NO_NUMBERS: dict[str, Callable[[Array], Any]] = {
    "None": lambda values: None,
    "a string": lambda values: "1",
    "an object": lambda values: object(),
    "a class": lambda values: Array,
    "a dictionary": lambda values: {0: values.tolist()},
    "a generator": lambda values: (row for row in values.tolist()),
    "strings in lists": lambda values: values.astype(str).tolist(),
    "bytes in lists": lambda values: values.astype("S").tolist(),
    "None in lists": lambda values: np.full(values.shape, None).tolist(),
    "complex numbers in lists": lambda values: (values + 1j).tolist(),
    "booleans in lists": lambda values: (values > 0).tolist(),
    "objects in lists": lambda values: [object() for _ in values],
    "lists of different lengths": lambda values: [values.tolist(), [values.tolist()]],
    "numbers of too many digits": lambda values: np.full(values.shape, 10**400, object).tolist(),
}

#: Such arrays of numpy: foreign ones in other frameworks, which are refused for that.
NO_ARRAYS: dict[str, Callable[[Array], Any]] = {
    "strings": lambda values: values.astype(str),
    "bytes": lambda values: values.astype("S"),
    "objects": lambda values: values.astype(object),
    "dates": lambda values: values.astype("datetime64[s]"),
    "durations": lambda values: values.astype("timedelta64[s]"),
    "fields": lambda values: values.astype([("x", "f8")]),
    "masked": lambda values: np.ma.masked_array(values, values > 0),
}

CALLS = calls_with_numbers()
each_argument = pytest.mark.parametrize(
    ("call", "name"), [pytest.param(call, name, id=f"{call.label}-{name}") for call in CALLS for name in call.numbers]
)


def called(backend: Backend, call: Call, arguments: dict[str, Any]) -> list[Array]:
    """The numbers of a result."""
    with cpabx.use_backend(backend.name):
        result = call.function(**arguments)
    if call.label.startswith("plot."):
        from matplotlib import pyplot as plt

        plt.close("all")
    parts = result if isinstance(result, tuple) else (result,)
    own = [part for part in parts if cpabx.registry.owner(part) == backend.name]
    halves = ("bfloat16",)  # which numpy does not have
    return [backend.to_numpy(backend.asarray(x, dtype="float32") if backend.dtype(x) in halves else x) for x in own]


def refused(call: Call, name: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(CpabxError, match=name) as caught:
        call.function(**arguments)
    error = caught.value
    assert all((error.asked, error.received, error.remedy)), str(error)
    assert len(str(error)) < 1000


class TestWrongTypes:
    @each_argument
    def test_tensors_of_other_types(self, backend: Backend, call: Call, name: str) -> None:
        """Refused by name; or the numbers are taken for what they are, where precision does not follow them."""
        arguments = call.arguments(backend)
        expected = called(backend, call, arguments)
        for dtype in DTYPES:
            numbers = backend.to_numpy(arguments[name])
            try:
                wrong = backend.asarray(numbers + 1j if "complex" in dtype else numbers, dtype=dtype)
            except (TypeError, AttributeError):  # the framework has no such type
                continue
            if backend.dtype(wrong) != dtype:
                continue
            try:
                got = called(backend, call, arguments | {name: wrong})
            except CpabxError:
                refused(call, name, arguments | {name: wrong})
                continue
            assert "complex" not in dtype
            assert all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True)), dtype

    @each_argument
    def test_no_numbers(self, backend: Backend, call: Call, name: str) -> None:
        arguments = call.arguments(backend)
        welcome = {"booleans in lists"} if name == "image" else set()  # black and white
        if inspect.signature(call.function).parameters[name].default is None:
            welcome.add("None")
        for kind, make in NO_NUMBERS.items():
            if kind not in welcome:
                refused(call, name, arguments | {name: make(call.numbers[name])})

    @each_argument
    def test_arrays_of_no_numbers(self, backend: Backend, call: Call, name: str) -> None:
        arguments = call.arguments(backend)
        for make in NO_ARRAYS.values():
            refused(call, name, arguments | {name: make(backend.to_numpy(arguments[name]))})

    @each_argument
    def test_lists_of_tensors(self, backend: Backend, call: Call, name: str) -> None:
        """Frameworks would lose their history, or raise."""
        arguments = call.arguments(backend)
        parts = [tensor(backend, part) for part in backend.to_numpy(arguments[name])]
        if backend.name == cpabx.registry.owner(np.zeros(1)):
            return  # numpy's have none, and lists of them are arrays
        refused(call, name, arguments | {name: parts})

    @each_argument
    def test_lists_of_whole_numbers(self, backend: Backend, call: Call, name: str) -> None:
        """They are numbers, and take after the tensors beside them."""
        arguments = call.arguments(backend)
        expected = called(backend, call, arguments)
        listed = arguments | {name: backend.to_numpy(arguments[name]).astype(int).tolist()}
        got = called(backend, call, listed)
        assert len(got) == len(expected)
        for a, b in zip(got, expected, strict=True):
            assert a.dtype.kind == "f"
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)

    def test_all_public_classes_are_walked(self, backend: Backend) -> None:
        """A new one cannot be forgotten, nor a new parameter that takes numbers: see ``calls_with_numbers``.

        What fits return holds tensors of one framework, and hands arguments on to its family, which is walked.
        """
        for name in cpabx.__all__:
            exported = getattr(cpabx, name)
            walked = inspect.isclass(exported) and not issubclass(exported, cpabx.FittedTransformation)
            if walked and exported is not cpabx.Transformation:
                known = any(type(subject) is exported for subject in SUBJECTS)
                assert known, f"say in cpabx.testing.public.SUBJECTS what a {name} is"
