"""What distributions of every framework ask of their arguments."""

from __future__ import annotations

from typing import Any

from cpabx.errors import OptionError, ShapeError, shown
from cpabx.transforms import Cpab


def checked_flow(cpab: Any, theta_shape: tuple[int | None, ...], *, elementwise: bool = False) -> Cpab:
    """The family, if theta is one of its own, or a batch of them.

    Raises:
        OptionError: no Cpab, or one of more dimensions than its use has.
        ShapeError: theta has another number of parameters.
    """
    if not isinstance(cpab, Cpab):
        raise OptionError("a density needs a cpabx.Cpab", shown(cpab), "Pass the family.")
    if elementwise and cpab.ndim != 1:
        raise OptionError(
            "maps of single numbers need a Cpab in 1D", repr(cpab), "For instance cpabx.Cpab(10); or CPABTransform."
        )
    if not theta_shape or theta_shape[-1] not in (cpab.n_params, None):
        raise ShapeError(
            f"theta must be ({cpab.n_params},) or (..., {cpab.n_params}) for {cpab!r}",
            f"shape {theta_shape}",
            "Pass its parameters along the last axis.",
        )
    return cpab
