"""Nonsense for every option of every public function: a result, or an error that says what to pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import CpabxError
from cpabx.testing.public import SUBJECTS, Call, calls_with_numbers, public_functions


class Stranger:
    """Whatever is asked of it fails."""

    def _refuse(self, *_: Any) -> Any:
        raise TypeError("leave me alone")

    __repr__ = __iter__ = __len__ = __index__ = __float__ = __array__ = __getitem__ = _refuse


NONSENSE: tuple[Any, ...] = (
    *(None, True, -1, 0, 1.5, 10**20, 10**400, 10**5000, 2**63, float("nan"), float("inf"), 1j),
    *("", "nonsense", "1", b"1", object(), int, Ellipsis, print, range(3), Stranger(), {}, {1}),
    *([], (), ["a"], [None], [1, 2], (1.5, 2.5), (2**63, 1), (10**400, 1), ((1, 2), (3,)), [[[]]]),
    *(np.zeros(0), np.zeros((2, 2)), np.array(None), np.float32(0.5), np.array(["a"])),
    *(cpabx.Affine, cpabx.Affine()),
)

#: Whose error is whose: what goes on to matplotlib is matplotlib's.
_OTHERS = ("style",)


def functions() -> Iterator[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Names, functions, and what they need; constructors and the functions that choose a backend as well."""
    for call in calls_with_numbers():
        yield call.label, call.function, {"call": call}
    known = {call.label for call in calls_with_numbers()}
    for label, function, subject in public_functions():
        if label not in known:
            yield label, function, {"tess": subject} if label == "plot.tessellation" else {}
    for kind in dict.fromkeys(map(type, SUBJECTS)):
        required: dict[str, Any] = {"cells": (2, 1)} if kind is cpabx.Tessellation else {}
        if kind is cpabx.Composition:
            required = {"outer": cpabx.Affine(), "inner": cpabx.Affine()}
        if kind in (cpabx.SmoothPrior, cpabx.VelocityPrior):
            required = {"cpab": cpabx.Cpab((2, 1)), "length_scale": 0.5}
        yield kind.__name__, kind, required
    yield "get_backend", cpabx.get_backend, {}
    yield "use_backend", lambda name: cpabx.use_backend(name).__enter__(), {"name": "numpy"}


def _options() -> list[Any]:
    found = []
    for label, function, needed in functions():
        call = needed.get("call")
        for name, parameter in inspect.signature(function).parameters.items():
            is_number = isinstance(call, Call) and name in call.numbers
            if not is_number and name not in _OTHERS and parameter.kind is not parameter.VAR_KEYWORD:
                found.append(pytest.param(function, needed, parameter, id=f"{label}-{name}"))
    return found


class TestNonsense:
    @pytest.mark.parametrize(("function", "needed", "parameter"), _options())
    def test_options(
        self, backend: Backend, function: Callable[..., Any], needed: dict[str, Any], parameter: inspect.Parameter
    ) -> None:
        """Never an error of Python, numpy or the framework, and never a message longer than a screen."""
        call = needed.get("call")
        arguments = call.arguments(backend) if isinstance(call, Call) else dict(needed)
        with cpabx.use_backend(backend.name):
            for value in NONSENSE:
                if parameter.kind is parameter.VAR_POSITIONAL:
                    complaint = complaint_of(function, *arguments.values(), value)
                else:
                    complaint = complaint_of(function, **(arguments | {parameter.name: value}))
                if complaint is not None:
                    assert all((complaint.asked, complaint.received, complaint.remedy)), str(complaint)
                    assert len(str(complaint)) < 1200, str(complaint)


def complaint_of(function: Callable[..., Any], *arguments: Any, **options: Any) -> CpabxError | None:
    """The error of cpabx that a call raises, if it does."""
    try:
        function(*arguments, **options)
    except CpabxError as error:
        return error
    finally:
        if function.__module__.startswith("cpabx.plot"):
            from matplotlib import pyplot as plt

            plt.close("all")
    return None
