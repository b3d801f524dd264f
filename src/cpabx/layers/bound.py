"""How far a layer's theta may be from the identity's: the option ``bound``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cpabx.errors import OptionError
from cpabx.transforms import Transformation

#: One number for all parameters, or one for each; None for no bound.
Bound = float | list[float] | None


def checked_bounds(bound: Any, families: Sequence[Transformation]) -> list[Bound]:
    """The bound of each of the families that a layer's networks predict.

    Args:
        bound: None, a positive number, or one for each parameter; where families are two, one for both or a pair.
        families: one or two.

    Raises:
        OptionError: it is something else.
    """
    if len(families) == 1:
        return [_checked(bound, families[0].n_params)]
    if not isinstance(bound, (list, tuple)):
        return [_checked(bound, family.n_params) for family in families]
    if len(bound) != len(families):
        raise OptionError("bound must be a number, or a pair for two networks", repr(bound), "For instance (0.5, 2).")
    return [_checked(own, family.n_params) for own, family in zip(bound, families, strict=True)]


def _checked(bound: Any, n_params: int) -> Bound:
    if bound is None:
        return None
    try:
        values = np.asarray(bound)
    except (TypeError, ValueError):
        values = np.array(None)
    if (
        values.dtype.kind not in "iuf"
        or values.shape not in ((), (n_params,))
        or not ((values > 0) & np.isfinite(values)).all()
    ):
        raise OptionError(
            f"bound must be a positive number, or {n_params} of them, one for each parameter",
            repr(bound),
            "For instance 1.0; None is no bound.",
        )
    return values.astype("float64").tolist()  # type: ignore[no-any-return]
