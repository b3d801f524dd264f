"""Whether a native function may be called on a tensor's memory without torch's dispatcher in between.

The layers that torch puts around an operator of ours cost several times as much as calling it. They
are needed where something but autograd takes part: a compiler, a tracer, a function transform.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_C: Any = torch._C


def is_plain(*tensors: Tensor) -> bool:
    """Whether the tensors have memory of their own, and nobody but autograd watches."""
    return (
        not torch.compiler.is_compiling()
        and _C._len_torch_dispatch_stack() == 0
        and _C._functorch.peek_interpreter_stack() is None
        and _C._get_tracing_state() is None
        and all(type(t) in (Tensor, nn.Parameter) and not _C._functorch.is_legacy_batchedtensor(t) for t in tensors)
    )
