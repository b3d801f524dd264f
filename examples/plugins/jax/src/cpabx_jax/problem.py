"""What a call computes besides its arrays, as attributes of a call in a program: numbers and names.

An address would be shorter. But programs outlive what they were made from: they are kept in memory and on disk, and
other processes run what is exported.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx import Tessellation
from cpabx.native import Library
from cpabx.native.functions import Function
from cpabx.sampling import Sampling


def tessellation_of(function: Function, problem: tuple[Any, ...]) -> Tessellation | None:
    """The tessellation of a problem, if it has one."""
    return dict(zip(function.problem, problem, strict=True)).get("tessellation")


def attributes(library: Library, function: Function, problem: tuple[Any, ...]) -> dict[str, Any]:
    """What ``cc/handler.cpp`` reads; a function has all of them, whether it needs them or not."""
    named = dict(zip(function.problem, problem, strict=True))
    tessellation, sampling = named.get("tessellation"), named.get("sampling", Sampling())
    domain = np.array([] if tessellation is None else tessellation.domain).reshape(-1, 2)
    outside = "linear" if tessellation is None else tessellation.outside
    return {
        "version": library.version,
        "function": f"cpab_{function.name}",
        "cells": np.array([] if tessellation is None else tessellation.cells, np.int64),
        "lower": domain[:, 0],
        "upper": domain[:, 1],
        "outside": np.int64(getattr(library.lib, f"CPAB_OUTSIDE_{outside.upper()}")),
        "time": np.float64(named.get("time", 1.0)),
        "padding": np.int64(library.paddings[sampling.padding_mode]),
        "interpolation": np.int64(library.interpolations[sampling.mode]),
        "align_corners": np.int64(sampling.align_corners),
    }
