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
    ``torch.compiler.assume_constant_result`` does, which cannot be had without torch. TensorFlow's AutoGraph runs it
    as it is, as after ``tf.autograph.experimental.do_not_convert``: so a backend can be loaded inside of a graph.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    function.autograph_info__ = {}  # type: ignore[attr-defined]
    return function


class _Shelf:
    """Results, as attributes: a compiler watches these one by one, but dictionaries as a whole."""


#: Bytes of all results that are kept. A backend may have a twin of each in float32 and in float64: 30 MiB in all.
MOST_BYTES = 12 << 20


class _Ledger:
    """What all shelves hold, oldest first, and how large it is."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._entries: dict[tuple[_Shelf, str], tuple[dict[Hashable, str], Hashable, int]] = {}

    @property
    def nbytes(self) -> int:
        return sum(size for *_, size in self._entries.values())

    def put(self, shelf: _Shelf, name: str, names: dict[Hashable, str], arguments: Hashable, result: Any) -> None:
        """Puts a result on a shelf; what is oldest goes. Of those too large for the bound, the newest stays, alone."""
        setattr(shelf, name, result)
        size = _nbytes(result)
        is_large = size > MOST_BYTES
        alike = {key: entry[2] for key, entry in self._entries.items() if (entry[2] > MOST_BYTES) == is_large}
        total = sum(alike.values()) + size
        for key, old in alike.items():
            if total <= MOST_BYTES:
                break
            self.drop(*key)
            total -= old
        self._entries[shelf, name] = (names, arguments, size)

    def drop(self, shelf: _Shelf, name: str) -> None:
        names, arguments, _ = self._entries.pop((shelf, name))
        del names[arguments]
        delattr(shelf, name)

    def clear(self) -> None:
        with self.lock:
            for key in list(self._entries):
                self.drop(*key)


_ledger = _Ledger()


def forget() -> None:
    """Empties all shelves."""
    _ledger.clear()


def nbytes_kept() -> int:
    """How large all results on shelves are."""
    return _ledger.nbytes


def _nbytes(result: Any) -> int:
    return sum(map(_nbytes, result)) if isinstance(result, tuple) else getattr(result, "nbytes", 0)


def kept(maxsize: int) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Keeps as many results of a function of hashable values, and compilers do not trace it.

    It is ``functools.lru_cache`` but for the compilers, which take a name from :func:`constant_while_tracing`,
    not an array, and for :data:`MOST_BYTES`, which all such functions share. None is not kept.
    """

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        shelf, numbers = _Shelf(), itertools.count()
        names: dict[Hashable, str] = {}

        @constant_while_tracing
        def name_of(*arguments: Any) -> str:
            name = names.get(arguments)
            if name is None:
                result = function(*arguments)  # type: ignore[call-arg]
                with _ledger.lock:
                    name = names.get(arguments)
                    if name is None:
                        while len(names) >= maxsize:
                            _ledger.drop(shelf, next(iter(names.values())))
                        name = f"_{next(numbers)}"
                        _ledger.put(shelf, name, names, arguments, result)
                        names[arguments] = name
            return name

        @functools.wraps(function)
        def call(*arguments: _P.args, **_: _P.kwargs) -> _R:
            result: _R | None = getattr(shelf, name_of(*arguments), None)
            # Another thread may have taken it off the shelf meanwhile.
            return function(*arguments) if result is None else result  # type: ignore[call-arg]

        return call

    return decorate


def kept_by_owner(function: Callable[[Any], _R]) -> Callable[[Any], _R]:
    """Keeps the result of a function of one object as its attribute, to live as long; compilers do not trace it.

    A shelf would keep the object, too, and all that belongs to it.
    """
    name = f"_kept{function.__name__}"

    @constant_while_tracing
    def name_of(owner: Any) -> str:
        if name not in vars(owner):
            object.__setattr__(owner, name, function(owner))
        return name

    @functools.wraps(function)
    def call(owner: Any) -> _R:
        result: _R = getattr(owner, name_of(owner))
        return result

    return call
