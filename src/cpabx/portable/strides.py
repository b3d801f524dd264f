"""How many strides the portable walk takes, and how precise each is."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Strides:
    """A plan of the walk, fixed while a graph is made.

    Args:
        number: strides in all. A trajectory that needs more becomes NaN.
        reach: the longest time of one, times the largest row sum of A.
        order: of the Taylor series; by default what float32 needs, so that it leaves out 3e-6 of a stride at most.
        refinements: of the time at which a face is crossed; float64 has all its digits after two.
        loop: programs of ``torch.export`` have one stride in a loop, which ends when all trajectories have, and not one
            after another. ONNX and TensorFlow always have a loop, and ``torch.jit.trace`` never.
    """

    number: int
    reach: float = 1.0
    order: int | None = None
    refinements: int = 1
    loop: bool = False

    @property
    def terms(self) -> int:
        """The order of the series."""
        if self.order is not None:
            return self.order
        return next(k for k in range(2, 60) if self.reach**k / math.factorial(k + 1) < 3e-6)

    def with_margin(self) -> Strides:
        """A third more, two at least, for trajectories that no sample has shown."""
        return dataclasses.replace(self, number=self.number + max(2, -(-self.number // 3)))
