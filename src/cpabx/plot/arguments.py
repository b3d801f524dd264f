"""What the functions are given, as arrays of numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError, shown
from cpabx.options import whole_number
from cpabx.transforms import Cpab, Transformation
from cpabx.transforms.arguments import host_values

Array = NDArray[Any]

#: Lines, arrows or paths along an axis.
_MOST = 1000


def one_theta(transformation: Transformation, theta: Tensor) -> Array:
    """(1, d) in float64, of (d,), (1, d) or a matrix (1, ...).

    Raises:
        ShapeError, DtypeError: it is not the theta of one transformation.
        OptionError: it has no numbers that could be drawn.
    """
    values = host_values("theta", theta).astype(np.float64)
    if values.ndim == 1:
        values = values[None]
    flat: Array = transformation.flat_theta(registry.get_backend("numpy"), values)
    if len(flat) != 1:
        raise ShapeError("a picture shows one transformation", f"{len(flat)} of them", "Pass theta[i].")
    if not np.isfinite(flat).all():
        raise OptionError("theta must be finite", "NaN or infinity", "There is nothing to draw.")
    return flat


def as_flow(cpab: Any) -> Cpab:
    """The family, if it has a velocity field."""
    if not isinstance(cpab, Cpab):
        raise OptionError("a velocity field needs a cpabx.Cpab", shown(cpab), "deformed_grid draws any family.")
    return cpab


def drawable(transformation: Transformation, what: str) -> None:
    """Raises UnsupportedError in 3D."""
    if transformation.ndim > 2:
        raise UnsupportedError(
            f"{what} are drawn in 1D and 2D", f"{transformation.ndim}D", "Draw slices of what transform returns."
        )


def whole(name: str, value: Any, least: int) -> int:
    """A whole number, not below ``least``, of what can be told apart in a picture."""
    number = whole_number(value)
    if number is None or not least <= number <= _MOST:
        raise OptionError(f"{name} must be a whole number from {least} to {_MOST}", shown(value), "Choose another.")
    return number
