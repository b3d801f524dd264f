"""What an operation computes besides its tensors: as libcpab's functions take it, and as attributes of a node."""

from __future__ import annotations

from typing import Any, NamedTuple

import tensorflow as tf

from cpabx.native.functions import Function
from cpabx.sampling.options import Sampling
from cpabx.tessellation import Tessellation


class Field(NamedTuple):
    """A tessellation, in which fields are piecewise affine."""

    tessellation: Tessellation

    def attributes(self) -> dict[str, Any]:
        # Numbers in attributes have 32 bits, and texts as many as it takes.
        return {
            "cells": list(self.tessellation.cells),
            "domain": [repr(float(bound)) for axis in self.tessellation.domain for bound in axis],
            "outside": self.tessellation.outside,
        }

    @classmethod
    def of(cls, node: Any) -> Field:
        bounds = [float(bound) for bound in node.get_attr("domain")]
        domain, outside = list(zip(bounds[::2], bounds[1::2], strict=True)), tf.compat.as_str(node.get_attr("outside"))
        return cls(Tessellation(node.get_attr("cells"), domain=domain, outside=outside))


class Flow(NamedTuple):
    """The flow of fields in a tessellation, for a time."""

    tessellation: Tessellation
    time: float

    def attributes(self) -> dict[str, Any]:
        return {**Field(self.tessellation).attributes(), "time": repr(float(self.time))}

    @classmethod
    def of(cls, node: Any) -> Flow:
        return cls(*Field.of(node), float(node.get_attr("time")))


class Warp(NamedTuple):
    """A flow, and how images are sampled where it leads; the size is in the order of an array's axes."""

    tessellation: Tessellation
    time: float
    output_size: tuple[int, ...]
    sampling: Sampling

    def attributes(self) -> dict[str, Any]:
        return {
            **Flow(self.tessellation, self.time).attributes(),
            "output_size": list(self.output_size),
            "mode": self.sampling.mode,
            "padding_mode": self.sampling.padding_mode,
            "align_corners": self.sampling.align_corners,
        }

    @classmethod
    def of(cls, node: Any) -> Warp:
        mode, padding_mode = (tf.compat.as_str(node.get_attr(name)) for name in ("mode", "padding_mode"))
        sampling = Sampling(mode, padding_mode, bool(node.get_attr("align_corners")))
        return cls(*Flow.of(node), tuple(node.get_attr("output_size")), sampling)


Problem = Field | Flow | Warp


def problem_of(function: Function) -> type[Problem]:
    """The class of a function's problem: its items are the function's arguments behind the arrays."""
    if function.kind == "warp":
        return Warp
    return Flow if function.timed else Field
