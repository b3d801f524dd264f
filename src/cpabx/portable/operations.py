"""What the portable walk needs of a framework: operators of tensors, and a handful of functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

Tensor = Any


class Operations(Protocol):
    """Functions of float tensors, which a framework may run, record, differentiate or compile.

    Besides, tensors have ``+ - * /``, unary minus, comparisons, ``& | ~`` of what these give, and the last axis can be
    indexed by a number: ``x[..., 0]``. Where a tensor has one row, it stands for as many as those of the others.
    """

    def constant(self, values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
        """A tensor of an array, with the type and on the device of ``like``."""

    def where(self, condition: Tensor, a: Tensor, b: Tensor | float) -> Tensor: ...

    def minimum(self, a: Tensor, b: Tensor | float) -> Tensor: ...

    def maximum(self, a: Tensor, b: Tensor | float) -> Tensor: ...

    def sqrt(self, x: Tensor) -> Tensor: ...

    def floor(self, x: Tensor) -> Tensor: ...

    def detach(self, x: Tensor) -> Tensor:
        """The same numbers, without a derivative."""

    def stack(self, tensors: Sequence[Tensor]) -> Tensor:
        """Along a new last axis."""

    def joined(self, a: Tensor, b: Tensor) -> Tensor:
        """Side by side along the last axis; a row of one holds for all of the other."""

    def nodes(self, velocity: Tensor, index: np.ndarray[Any, Any]) -> Tensor:
        """Rows (N, C, n) of a tensor (N, V, n), by whole numbers (C,) known in advance."""

    def with_ideal(self, velocity: Tensor, weights: Tensor) -> Tensor:
        """(N, V + Q, n): velocities (N, V, n), then ``weights @ velocity``, for weights (Q, V)."""

    def rows(self, table: Tensor, index: Tensor) -> Sequence[Tensor]:
        """Columns of the rows that each item asks for.

        Args:
            table: (N, C, R).
            index: (1 or N, P) whole numbers as floats.

        Returns:
            R tensors (N, P); of a table of one item, R tensors in the shape of the index.
        """


class NumpyOperations:
    """Those of numpy."""

    def constant(self, values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
        return values.astype(like.dtype)

    def where(self, condition: Tensor, a: Tensor, b: Tensor | float) -> Tensor:
        return np.where(condition, a, _alike(b, a))

    def minimum(self, a: Tensor, b: Tensor | float) -> Tensor:
        return np.minimum(a, _alike(b, a))

    def maximum(self, a: Tensor, b: Tensor | float) -> Tensor:
        return np.maximum(a, _alike(b, a))

    def sqrt(self, x: Tensor) -> Tensor:
        return np.sqrt(x)

    def floor(self, x: Tensor) -> Tensor:
        return np.floor(x)

    def detach(self, x: Tensor) -> Tensor:
        return x

    def stack(self, tensors: Sequence[Tensor]) -> Tensor:
        return np.stack(np.broadcast_arrays(*tensors), -1)

    def joined(self, a: Tensor, b: Tensor) -> Tensor:
        n = max(len(a), len(b))
        return np.concatenate([np.broadcast_to(x, (n, *x.shape[1:])) for x in (a, b)], -1)

    def nodes(self, velocity: Tensor, index: np.ndarray[Any, Any]) -> Tensor:
        return velocity[:, index]

    def with_ideal(self, velocity: Tensor, weights: Tensor) -> Tensor:
        return np.concatenate([velocity, weights @ velocity], 1)

    def rows(self, table: Tensor, index: Tensor) -> Sequence[Tensor]:
        item = np.arange(len(table))[:, None]
        return list(np.moveaxis(table[item, index.astype(np.int64)], -1, 0))


def _alike(value: Any, tensor: Tensor) -> Any:
    return tensor.dtype.type(value) if isinstance(value, (int, float)) else value
