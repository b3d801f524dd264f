"""What stands in for a framework here: an array type of its own, which does what numpy's does."""

from __future__ import annotations

from typing import Any

import numpy as np

__version__ = "1.0"


class Tensor(np.ndarray[tuple[int, ...], np.dtype[Any]]):
    """A numpy array of another name."""


def tensor(values: Any, dtype: Any = None) -> Tensor:
    """A tensor of numbers, which it shares with an array of that type."""
    return np.asarray(values, dtype).view(Tensor)
