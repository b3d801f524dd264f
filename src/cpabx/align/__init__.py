"""Joint alignment of time series, after scikit-learn's conventions; needs torch and scikit-learn.

``TimeSeriesAligner`` is loaded on first use: ``pip install cpabx[torch,align]``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpabx.errors import MissingPackageError

if TYPE_CHECKING:
    from cpabx.align.estimator import TimeSeriesAligner

__all__ = ["TimeSeriesAligner"]


def __getattr__(name: str) -> Any:
    if name != "TimeSeriesAligner":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from cpabx.align.estimator import TimeSeriesAligner
    except ImportError as error:
        raise MissingPackageError(
            "cpabx.align needs scikit-learn",
            f"an environment without it ({error})",
            "pip install cpabx[torch,align]",
        ) from error
    return TimeSeriesAligner
