"""What compilers of frameworks must know about functions of ours, without importing a framework."""

from __future__ import annotations

import functools
import itertools
import threading
from collections.abc import Callable, Hashable
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def constant_while_tracing(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Marks a function of Python values: the same arguments always give the same result.

    ``torch.compile`` then calls it while it traces, and does not trace it. This is what
    ``torch.compiler.assume_constant_result`` does, which cannot be had without torch.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function


class _Shelf:
    """Results, as attributes: a compiler watches these one by one, but dictionaries as a whole."""


def kept(maxsize: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keeps as many results of a function of hashable values, and compilers do not trace it.

    It is ``functools.lru_cache`` but for the compilers, which take a name from :func:`constant_while_tracing`,
    not an array. None is not kept.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        shelf, lock, numbers = _Shelf(), threading.Lock(), itertools.count()
        names: dict[Hashable, str] = {}

        @constant_while_tracing
        def name_of(*arguments: Any) -> str:
            name = names.get(arguments)
            if name is None:
                result = function(*arguments)  # type: ignore[call-arg]
                with lock:
                    name = names.setdefault(arguments, f"_{next(numbers)}")
                    setattr(shelf, name, result)
                    while len(names) > maxsize:
                        delattr(shelf, names.pop(next(iter(names))))
            return name

        @functools.wraps(function)
        def call(*arguments: _P.args, **_: _P.kwargs) -> _R:
            result: _R | None = getattr(shelf, name_of(*arguments), None)
            # Another thread may have taken it off the shelf meanwhile.
            return function(*arguments) if result is None else result  # type: ignore[call-arg]

        return call

    return decorate
