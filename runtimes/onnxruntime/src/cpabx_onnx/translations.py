"""torch's operators of cpabx as nodes, for ``torch.onnx.export(dynamo=True)``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from onnxscript import values

import cpabx_torch.functions  # noqa: F401  (which makes torch.ops.cpabx)
from cpabx_onnx.attributes import of_flow, of_sampling
from cpabx_onnx.schemas import schemas


def table() -> dict[Any, Callable[..., Any]]:
    """By operator of torch: what takes its arguments, and makes the node."""
    of_torch = torch.ops.cpabx
    return {
        of_torch.transform.default: transform,
        of_torch.velocity.default: velocity,
        of_torch.jacobian.default: jacobian,
        of_torch.sample.default: sample,
        of_torch.warp.default: warp,
    }


def transform(points: Any, velocity: Any, cells: Any, domain: Any, outside: str, time: float) -> Any:
    return _operator("CpabTransform")(points, velocity, **of_flow(cells, domain, outside, time))


def velocity(points: Any, velocity: Any, cells: Any, domain: Any, outside: str) -> Any:
    return _operator("CpabVelocity")(points, velocity, **of_flow(cells, domain, outside))


def jacobian(points: Any, velocity: Any, cells: Any, domain: Any, outside: str, time: float) -> Any:
    return _operator("CpabJacobian")(points, velocity, **of_flow(cells, domain, outside, time))


def sample(images: Any, points: Any, mode: str, padding_mode: str, align_corners: bool) -> Any:
    return _operator("CpabSample")(images, points, **of_sampling(mode, padding_mode, align_corners))


def warp(
    images: Any,
    velocity: Any,
    cells: Any,
    domain: Any,
    outside: str,
    time: float,
    output_size: Sequence[Any],
    mode: str,
    padding_mode: str,
    align_corners: bool,
) -> Any:
    attributes = of_flow(cells, domain, outside, time) | of_sampling(mode, padding_mode, align_corners)
    operator = _operator("CpabWarp")
    if all(isinstance(n, int) for n in output_size):
        return operator(images, velocity, **attributes, output_size=list(output_size))
    return operator(images, velocity, list(output_size), **attributes)  # sizes that are known when the model runs


def _operator(name: str) -> Any:
    schema = schemas()[name]
    return values.Op(values.Opset(schema.domain, schema.since_version), name, schema)
