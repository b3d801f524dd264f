"""Which way CPAB transformations are computed: by libcpab, unless a block of code asks for the portable walk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal

from cpabx.errors import OptionError, shown
from cpabx.options import whole_number
from cpabx.portable.strides import Strides
from cpabx.tracing import constant_while_tracing

#: Strides of the portable walk; ``"native"``, calls of libcpab even in files of other programs; or what counts strides.
Way = Strides | Literal["native"] | Any

_way: ContextVar[Way | None] = ContextVar("cpabx_portable", default=None)


@constant_while_tracing
def way_in_force() -> Way | None:
    """What the innermost block asks for; None outside of all."""
    return _way.get()


def is_portable() -> bool:
    """Whether only operations that every framework and format has may be used."""
    return isinstance(way_in_force(), Strides)


@contextlib.contextmanager
def in_force(way: Way) -> Iterator[None]:
    """Chooses a way, for this block in this thread."""
    token = _way.set(way)
    try:
        yield
    finally:
        _way.reset(token)


@contextlib.contextmanager
def portable(strides: Strides | int) -> Iterator[None]:
    """CPAB in plain array operations, for what is called or traced in this block: the exact flow, without libcpab.

    For targets that have no call of libcpab: ONNX, TFLite, XLA, ``torch.jit.trace``. Never chosen by itself, since it
    takes longer. Sampling and exponentials of matrices are made of plain operations as well. Gradients come from the
    framework's own differentiation.

    Args:
        strides: how many at most. A trajectory takes about one for each cell that it passes, and one more; where it
            takes more than these, its result is NaN. :func:`cpabx.export.strides_for` counts them.

    Raises:
        OptionError: no positive number.
        UnsupportedError: of what is called within, a backend that has no portable form.
    """
    number = None if isinstance(strides, Strides) else whole_number(strides)
    if number is not None and number > 0:
        strides = Strides(number)
    if not isinstance(strides, Strides):
        raise OptionError("strides must be a positive number, or Strides", shown(strides), "For instance 12.")
    with in_force(strides):
        yield
