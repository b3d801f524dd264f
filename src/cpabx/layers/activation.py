"""What activations of every framework share: their family of maps, and checks."""

from __future__ import annotations

from typing import Any

from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import whole_number
from cpabx.transforms import Cpab


def activation_family(cells: Any) -> Cpab:
    """The family of an activation: a Cpab in 1D as it is, or the default one with so many cells.

    Values of layers that are normalised lie in [-3, 3] mostly. There the field may bend; its velocities are zero at the
    ends and outside, so that values beyond stay as they are: an outlier neither grows nor loses its gradient. Theta is
    nodal: what a number moves is the values near one vertex, by about itself.

    Raises:
        OptionError: a Cpab of more dimensions, or no number of cells from 2.
    """
    if isinstance(cells, Cpab):
        if cells.ndim != 1:
            raise OptionError("an activation needs a Cpab in 1D", repr(cells), "For instance cpabx.Cpab(10).")
        return cells
    number = whole_number(cells)
    if number is None or number < 2:
        raise OptionError(
            "cells must be a whole number from 2, or a cpabx.Cpab in 1D", shown(cells), "For instance 10."
        )
    return Cpab(number, domain=(-3.0, 3.0), boundary="fixed", basis="nodal")


def checked_channels(channels: Any) -> int | None:
    """A whole number from 1, or None.

    Raises:
        OptionError: it is something else.
    """
    number = whole_number(channels)
    if channels is not None and (number is None or number < 1):
        raise OptionError("channels must be a whole number from 1, or None", shown(channels), "None shares one theta.")
    return number


def check_channels(shape: tuple[int | None, ...], axis: int, channels: int | None) -> None:
    """Raises ShapeError unless values of a shape have so many channels along an axis."""
    if channels is None:
        return
    least = 2 if axis > 0 else 1
    if len(shape) < least or shape[axis] not in (channels, None):
        where = "(N, C, ...)" if axis > 0 else "(..., C)"
        raise ShapeError(
            f"values must be {where} with C = {channels} channels",
            f"shape {tuple(shape)}",
            "Make the activation for as many, or with channels=None.",
        )
