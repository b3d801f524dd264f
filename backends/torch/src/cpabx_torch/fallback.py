"""Tensors on devices that no libcpab works on: through the CPU and back, if somebody asked for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


def through_cpu(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function of tensors on one device, computed on the CPU: with its bits, and its derivatives."""
    device = next(x.device for x in arguments if isinstance(x, Tensor))
    results = function(*(x.cpu() if isinstance(x, Tensor) else x for x in arguments))
    if isinstance(results, Tensor):
        return results.to(device)
    return tuple(x.to(device) for x in results)
