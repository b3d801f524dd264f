"""How many strides the portable walk takes, counted on samples."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.errors import UnsupportedError
from cpabx.native import arrays
from cpabx.portable.operations import NumpyOperations
from cpabx.portable.strides import Strides
from cpabx.portable.walk import Walk
from cpabx.tessellation import Tessellation

Array = np.ndarray[Any, Any]

#: Most strides of any trajectory: more, and the field is too steep for a form with a fixed number.
MOST = 64

#: How far a result may be from libcpab's, as a part of the domain.
TOLERANCE = 1e-5


class Counter:
    """Collects what the flows of a model take, while it runs by libcpab."""

    def __init__(self) -> None:
        #: The plan that is enough for all flows so far; None before the first.
        self.strides: Strides | None = None

    def add(self, points: Array, velocity: Array, tessellation: Tessellation, time: float) -> None:
        """One more flow."""
        if not velocity.size or not points.size:
            return
        found = strides_of(points, velocity, tessellation, time)
        known = self.strides
        if known is not None:
            found = Strides(max(found.number, known.number), min(found.reach, known.reach))
        self.strides = found


def strides_of(points: Array, velocity: Array, tessellation: Tessellation, time: float) -> Strides:
    """As few and as long strides as take these points to where libcpab takes them.

    Args:
        points: as in :func:`cpabx.portable.transform`.
        velocity: as there.
        tessellation: as there.
        time: as there.

    Raises:
        UnsupportedError: 64 are not enough, they end elsewhere, or fields are not finite.
    """
    extent = float((tessellation.upper - tessellation.lower).max())
    wanted = arrays.transform(points, velocity, tessellation, time)
    scale = np.maximum(np.abs(wanted).max(-1, initial=0), extent)
    for reach in (1.0, 0.5, 0.25):
        with np.errstate(all="ignore"):
            count, moved = _counted(points, velocity, tessellation, time, reach)
            off = (np.abs(moved - wanted).max(-1) / scale)[np.isfinite(wanted).all(-1)]
        if count is not None and off.max(initial=0) <= TOLERANCE:
            return Strides(count, reach)
    if not np.isfinite(velocity).all():
        raise UnsupportedError(
            "strides are counted on fields that are finite", "NaN or infinite ones", "Pass samples that make no NaN."
        )
    raise UnsupportedError(
        "a portable form must take these points where libcpab does",
        f"fields that need more than {MOST} strides, or shorter ones",
        "Use smaller theta or fewer cells.",
    )


def _counted(
    points: Array, velocity: Array, tessellation: Tessellation, time: float, reach: float
) -> tuple[int | None, Array]:
    walk = Walk(NumpyOperations(), points, velocity, tessellation, time, Strides(MOST, reach))
    for count in range(1, MOST + 1):
        walk.stride()
        if not (walk.state.left > 0).any():
            return count, walk.result()
    return None, walk.result()
