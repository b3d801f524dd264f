"""Errors worth raising: what was asked, what was received, what to do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from cpabx.errors import CpabxError


@contextlib.contextmanager
def complains(
    kind: type[CpabxError], *, builtin: type[Exception] | None = None, match: str | None = None
) -> Iterator[None]:
    """The block raises exactly ``kind``, complete, and also catchable as ``builtin``."""
    with pytest.raises(kind, match=match) as caught:
        yield
    error = caught.value
    assert type(error) is kind
    for part in (error.asked, error.received, error.remedy):
        assert isinstance(part, str)
        assert part.strip()
        assert part in str(error)
    assert builtin is None or isinstance(error, builtin)
