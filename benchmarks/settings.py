"""What is transformed: points, and fields of a given mean displacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: Mean displacements, in units of the domain.
DISPLACEMENTS = (0.02, 0.05, 0.15)
#: The one that targets are set for.
USUAL = 0.05


@dataclass(frozen=True)
class Setting:
    """A batch of fields, all of which move the same regular grid of ``side ** n`` points."""

    cells: tuple[int, ...]
    batch: int
    side: int

    @property
    def ndim(self) -> int:
        return len(self.cells)

    @property
    def n_moved(self) -> int:
        """Points moved in one call."""
        return int(self.batch * self.side**self.ndim)

    def points(self, lower: float = -1.0, upper: float = 1.0) -> Array:
        """(side ** n, n) points of the grid, its border included, x fastest."""
        axes = [np.linspace(lower, upper, self.side)] * self.ndim
        return np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1).reshape(-1, self.ndim)

    def __str__(self) -> str:
        cells = ", ".join(map(str, self.cells))
        return f"{self.ndim}D ({cells}), batch {self.batch}, {'x'.join([str(self.side)] * self.ndim)}"


ONE_D = tuple(Setting((n,), 100, 1000) for n in (5, 16, 50))
#: The paper's: d = 58.
PLANE = Setting((4, 4), 100, 42)
SPACE = Setting((2, 2, 2), 4, 32)
LARGE = Setting((4, 4), 8, 250)


def mean_displacement(moved: Array, points: Array, width: float) -> float:
    return float(np.linalg.norm(moved - points, axis=-1).mean()) / width


def scaled(displacement: Callable[[Array], float], theta: Array, wanted: float) -> Array:
    """Theta times the factor, found by bisection, whose displacement is the wanted one.

    Raises:
        ValueError: no factor up to 2 ** 20 moves that far.
    """
    high = 1.0
    while displacement(high * theta) < wanted:
        high *= 2
        if high > 2**20:
            raise ValueError(f"no multiple of these fields has a mean displacement of {wanted}")
    low = 0.0
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if displacement(middle * theta) < wanted else (low, middle)
    return high * theta


def drawn(d: int, batch: int, seed: int = 0) -> Array:
    """(batch, d) parameters, N(0, 1)."""
    return np.random.default_rng(seed).standard_normal((batch, d))
