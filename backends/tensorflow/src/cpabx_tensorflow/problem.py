"""What an operation computes besides its tensors, as Python calls it and as attributes of a node."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from cpabx.tessellation import Tessellation


class Flow(NamedTuple):
    """The flow of fields in a tessellation, for a time."""

    tessellation: Tessellation
    time: float

    def attributes(self) -> dict[str, Any]:
        # Numbers in attributes have 32 bits, those in tensors may have 64.
        return {
            "cells": list(self.tessellation.cells),
            "domain": tf.make_tensor_proto(np.array(self.tessellation.domain)),
            "outside": self.tessellation.outside,
            "time": tf.make_tensor_proto(np.float64(self.time)),
        }

    @classmethod
    def of(cls, node: Any) -> Flow:
        domain, time = (tf.make_ndarray(node.get_attr(name)) for name in ("domain", "time"))
        outside = tf.compat.as_str(node.get_attr("outside"))
        return cls(Tessellation(node.get_attr("cells"), domain=domain.tolist(), outside=outside), float(time))


class Warp(NamedTuple):
    """A flow, and how images are sampled where it leads; sizes are in the order of an array's axes."""

    flow: Flow
    output_size: Sequence[int]
    mode: str
    padding_mode: str
    align_corners: bool

    def attributes(self) -> dict[str, Any]:
        return {
            **self.flow.attributes(),
            "output_size": list(self.output_size),
            "mode": self.mode,
            "padding_mode": self.padding_mode,
            "align_corners": self.align_corners,
        }

    @classmethod
    def of(cls, node: Any) -> Warp:
        mode, padding_mode = (tf.compat.as_str(node.get_attr(name)) for name in ("mode", "padding_mode"))
        size, align_corners = tuple(node.get_attr("output_size")), bool(node.get_attr("align_corners"))
        return cls(Flow.of(node), size, mode, padding_mode, align_corners)
