"""What a fit of landmarks returns."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cpabx.fitted import FittedTransformation

Array = NDArray[np.float64]


def _nothing() -> Array:
    return np.zeros(0)


@dataclass(frozen=True, eq=False, repr=False)
class FittedLandmarks(FittedTransformation):
    """Maps of source landmarks to target landmarks, with what was chosen for each item.

    Attributes:
        weight: (N,) the variance of the landmarks' noise over that of the velocities.
        length_scale: (N,) of the prior of velocities, in units of the domain.
        distances: (N, P) from where the sources go to their targets, in units of the domain.
    """

    weight: Array = field(default_factory=_nothing)
    length_scale: Array = field(default_factory=_nothing)
    distances: Array = field(default_factory=_nothing)

    def __getitem__(self, index: int | slice) -> FittedLandmarks:
        """One item, as a fit of one, or a slice of them."""
        part = super().__getitem__(index)
        if not isinstance(index, slice):
            first = range(len(self))[index]
            index = slice(first, first + 1)
        chosen = {name: getattr(self, name)[index] for name in ("weight", "length_scale", "distances")}
        return dataclasses.replace(part, **chosen)  # type: ignore[return-value]
