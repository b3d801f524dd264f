"""Ctrl-C, and other signals that Python handles, in the middle of a call.

Python runs the handlers of signals on its main thread, and not while that waits for libcpab. So libcpab asks a function
of ours now and then, on the thread that called it: handlers run as soon as Python code does. What a handler raises
(``KeyboardInterrupt``, if it is Python's own) ends the call, and is raised from there.
"""

from __future__ import annotations

import atexit
import threading
from types import TracebackType
from typing import Any

from cpabx.native.library import Library

#: What a handler raised during a call. Only the main thread adds to it and takes from it.
_raised: list[BaseException] = []


def _let_handlers_run() -> int:
    return 0  # they ran: Python looks for signals where a function begins


def _keep(kind: type[BaseException], error: BaseException, traceback: TracebackType) -> None:
    _raised.append(error)


class _Watch:
    """The thread whose calls are watched, and the library that they are calls of."""

    def __init__(self) -> None:
        self.library: Library | None = None
        self.thread: int | None = None
        self.callbacks: list[Any] = []  # what a library was given must stay
        self.over = False
        atexit.register(self.end)  # nor may it outlive the interpreter

    def begin(self, library: Library, here: int) -> None:
        """Lets signals end the calls of a thread from now on, if it is the one that Python handles them on."""
        if here != threading.main_thread().ident or self.over:
            return
        if library is not self.library:
            self.callbacks.append(library.ffi.callback("int(void)", _let_handlers_run, error=1, onerror=_keep))
        library.lib.cpab_set_interrupt(self.callbacks[-1])
        self.library, self.thread = library, here

    def end(self) -> None:
        if self.library is not None:
            self.library.lib.cpab_set_interrupt(self.library.ffi.NULL)
        self.library, self.thread, self.over = None, None, True


#: Callers ask it whether the thread that they are on is watched, and begin if not.
watch = _Watch()


def interruption() -> BaseException | None:
    """What a handler raised that ended a call; None if it was nothing of Python's."""
    raised = _raised.pop() if _raised else None
    _raised.clear()  # of a call that reports to somebody else, as operations in TensorFlow's graphs do
    return raised
