"""What can go wrong with an experiment and is the user's to mend: the command ends with status 2 and the message."""

from __future__ import annotations

from cpabx.errors import CpabxError


class ExperimentError(CpabxError):
    """An experiment cannot be run as asked."""


class DataError(ExperimentError, ValueError):
    """A file of a data set is missing, incomplete, or not what it should be; the message names it.

    ``remedy`` says where the file can be had.
    """


__all__ = ["DataError", "ExperimentError"]
