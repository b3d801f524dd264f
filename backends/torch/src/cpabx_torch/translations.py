"""Operators of cpabx as those of ONNX, for programs that were recorded before an exporter of ONNX saw them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from cpabx.errors import UnsupportedError

_MODES = {"linear": "linear", "nearest": "nearest", "cubic": "cubic"}


def table() -> dict[Any, Callable[..., Any]]:
    """By operator of torch: functions that the exporter of ONNX calls. Empty without the package onnxscript."""
    try:
        import onnxscript  # noqa: F401 - torch's exporter needs it
    except ImportError:
        return {}
    operators: Any = torch.ops.cpabx
    return {operators.sample.default: sample}


def sample(images: Any, points: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    """``cpabx::sample`` in 2D: images (N, C, H, W) at points (N, P, 2) are (N, C, P).

    Raises:
        UnsupportedError: other dimensions and wrap, which GridSample does not have.
    """
    from onnxscript import opset20 as op

    if len(images.shape) != 4 or padding_mode == "wrap":
        raise UnsupportedError(
            "a program that was recorded before samples pictures, and does not wrap",
            f"images of {len(images.shape)} axes and padding_mode={padding_mode!r}",
            "Pass the model itself to torch.onnx.export, or to cpabx.export.onnx.",
        )
    lost = op.Or(op.IsNaN(points), op.IsInf(points))
    grid = op.Unsqueeze(op.Where(lost, op.CastLike(0.0, points), points), op.Constant(value_ints=[1]))
    sampled = op.GridSample(
        images, grid, mode=_MODES[mode], padding_mode=padding_mode, align_corners=int(align_corners)
    )
    nowhere = op.ReduceSum(op.Mul(points, op.CastLike(0.0, points)), op.Constant(value_ints=[-1]), keepdims=0)
    return op.Add(op.Squeeze(sampled, op.Constant(value_ints=[2])), op.Unsqueeze(nowhere, op.Constant(value_ints=[1])))
