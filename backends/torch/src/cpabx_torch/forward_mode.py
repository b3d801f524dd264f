"""Forward-mode differentiation, which torch does not know of custom operators: it would answer zeros."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

unpack: Any = forward_ad.unpack_dual
make_dual: Any = forward_ad.make_dual


def has_tangents(*tensors: Tensor | None) -> bool:
    """Whether a tensor has a tangent, or may have one that cannot be seen."""
    if not torch.compiler.is_compiling() and is_off():
        return False
    if nested():
        return True
    for tensor in tensors:  # noqa: SIM110 - a loop costs less in each call
        if tensor is not None and unpack(tensor).tangent is not None:
            return True
    return False


def is_off() -> bool:
    """Whether no tensor at all has a tangent now."""
    return forward_ad._current_level < 0


def nested() -> bool:
    """Within a torch.func.jvp, tangents of an outer one cannot be seen."""
    if torch.compiler.is_compiling():
        return False
    functorch: Any = torch._C._functorch
    if functorch.peek_interpreter_stack() is None:
        return False
    levels = [level.key() for level in functorch.get_interpreter_stack() or ()]
    return bool(levels.count(functorch.TransformType.Jvp) > 1)
