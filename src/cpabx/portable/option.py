"""The option ``export`` of layers: the portable form for one layer, unless whoever calls it has chosen a form."""

from __future__ import annotations

import contextlib
from typing import Any

from cpabx.errors import OptionError, shown
from cpabx.portable.context import in_force, way_in_force
from cpabx.portable.strides import Strides

#: Of each flow of a layer: a loop, which ends as soon as all trajectories have. Where XLA differentiates, it takes
#: memory for as many.
STRIDES = Strides(100, loop=True)


def checked_export(export: Any) -> str | None:
    """None, or ``"portable"``.

    Raises:
        OptionError: it is something else.
    """
    if export is None or (isinstance(export, str) and export == "portable"):
        return export
    raise OptionError("export must be None or 'portable'", shown(export), "Leave it out.")


def exported(export: str | None) -> contextlib.AbstractContextManager[None]:
    """The form that a layer was made with, in a ``with`` block; one that is chosen around it stays."""
    if export is None or way_in_force() is not None:
        return contextlib.nullcontext()
    return in_force(STRIDES)
