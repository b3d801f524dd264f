"""Attributes of nodes, of plain options: those that an operator of torch has, in its order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

from cpabx.sampling import Sampling
from cpabx.tessellation import Tessellation

Attributes = dict[str, Any]


def of_flow(cells: Sequence[int], domain: Sequence[float], outside: str, *time: float) -> Attributes:
    """Of a field, or with a time of its flow. The domain is (lower, upper) of one axis after the other."""
    flow: Attributes = {"cells": [int(n) for n in cells], "bounds": _doubles("bounds", domain), "outside": outside}
    return {**flow, "time": _doubles("time", time[0])} if time else flow


def of_sampling(mode: str, padding_mode: str, align_corners: bool) -> Attributes:
    return {"mode": mode, "padding_mode": padding_mode, "align_corners": int(align_corners)}


def of_problem(
    tessellation: Tessellation | None, time: float | None, output_size: Sequence[int] | None, sampling: Sampling | None
) -> Attributes:
    """Of what a call computes besides its arrays, as far as there is any."""
    attributes: Attributes = {}
    if tessellation is not None:
        bounds = [bound for pair in tessellation.domain for bound in pair]
        times = () if time is None else (time,)
        attributes |= of_flow(tessellation.cells, bounds, tessellation.outside, *times)
    if output_size is not None:
        attributes["output_size"] = [int(n) for n in output_size]
    if sampling is not None:
        attributes |= of_sampling(sampling.mode, sampling.padding_mode, sampling.align_corners)
    return attributes


def _doubles(name: str, numbers: float | Sequence[float]) -> TensorProto:
    return numpy_helper.from_array(np.asarray(numbers, np.float64), name)
