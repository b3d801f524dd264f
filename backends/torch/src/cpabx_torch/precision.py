"""Half precision and autocast: transformations are computed in float32 at least.

A bfloat16 coordinate in [-1, 1] is off by up to a quarter of a pixel of an image 256 pixels wide.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor

from cpabx.tracing import constant_while_tracing

_HALF = (torch.float16, torch.bfloat16)


def is_autocast(tensor: Tensor) -> bool:
    """Whether operations on the tensor's device are to choose their precision themselves."""
    if tensor.is_cpu:
        return torch.is_autocast_enabled("cpu")
    kind = tensor.device.type
    return _has_autocast(kind) and torch.is_autocast_enabled(kind)


@constant_while_tracing  # which torch.compile does not know in every version
def _has_autocast(kind: str) -> bool:
    return torch.amp.is_autocast_available(kind)


def without_autocast(tensor: Tensor) -> contextlib.AbstractContextManager[object]:
    """Operations on the tensor's device compute in the precision of their arguments."""
    return torch.autocast(tensor.device.type, enabled=False) if is_autocast(tensor) else contextlib.nullcontext()


def product(a: Tensor, b: Tensor) -> Tensor:
    """The product of matrices, in the precision that they have."""
    if not is_autocast(a):
        return a @ b
    with without_autocast(a):
        return a @ b


def at_least_single(tensor: Tensor) -> Tensor:
    """The tensor, in float32 if it is in half precision."""
    return tensor.float() if tensor.dtype in _HALF else tensor
