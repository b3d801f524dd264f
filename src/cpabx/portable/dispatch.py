"""The one place where CPAB goes to libcpab or to the portable walk."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cpabx.portable.context import way_in_force
from cpabx.portable.counting import Counter
from cpabx.portable.strides import Strides

if TYPE_CHECKING:
    from cpabx.backend import Backend, Tensor
    from cpabx.tessellation import Tessellation


def flow(backend: Backend, points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float) -> Tensor:
    """:meth:`cpabx.backend.Backend.cpab`, in the way that is in force."""
    way = way_in_force()
    if isinstance(way, Strides):
        with np.errstate(all="ignore"):  # of what numpy computes where it is not chosen
            return backend.cpab_portable(points, velocity, tessellation, time, way)
    if isinstance(way, Counter):
        way.add(backend.to_numpy(points), backend.to_numpy(velocity), tessellation, time)
    return backend.cpab(points, velocity, tessellation, time)


def is_in_one_pass() -> bool:
    """Whether images may be warped by one call of libcpab."""
    way = way_in_force()
    return way is None or not isinstance(way, (Strides, Counter))
