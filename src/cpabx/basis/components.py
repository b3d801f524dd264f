"""Fields that move along one axis only, of which those of different axes are often alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def by_component(fields: Array, function: Callable[[Array], Array]) -> Iterator[tuple[int, NDArray[np.int64], Array]]:
    """Per axis of fields (V, n, d): it, the fields that move along it, and function(those fields (V, d')).

    The function is called once for all axes whose fields are the same, and not where there are none.
    """
    done: list[tuple[Array, Array]] = []
    for axis in range(fields.shape[1]):
        columns = np.flatnonzero(fields[:, axis].any(axis=0))
        if columns.size == 0:
            continue
        block = fields[:, axis, columns]
        result = next((made for given, made in done if np.array_equal(given, block)), None)
        if result is None:
            result = function(block)
            done.append((block, result))
        yield axis, columns, result
