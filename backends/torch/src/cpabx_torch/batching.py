"""``torch.func.vmap`` of functions of batches: its axis becomes a part of the batch, and the call remains one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter

_functorch: Any = torch._C._functorch


def in_one_batch(
    call: Callable[..., Any], shared: Sequence[int], n_mapped: int, in_dims: Sequence[Any], inputs: Sequence[Any]
) -> tuple[Any, Any]:
    """Results of a call for each index of the mapped axis, which is at ``in_dims`` of the inputs, and where it is.

    Tensors have the batch as their first axis, as have results; one that was not asked for is empty, with one axis.
    Of the inputs numbered in ``shared``, all may have one item for the whole batch.
    """
    folded = list(inputs)
    tensors = {}
    for i, (x, axis) in enumerate(zip(inputs, in_dims, strict=False)):  # packed options have one
        if isinstance(x, Tensor):
            tensors[i] = (x if axis is None else x.movedim(axis, 0), axis is not None)
    sizes = {x.shape[is_mapped] for i, (x, is_mapped) in tensors.items() if i not in shared}
    n = max(sizes) if all(sizes) else 0
    stay = all(not is_mapped and x.shape[0] == 1 for i, (x, is_mapped) in tensors.items() if i in shared)
    for i, (x, is_mapped) in tensors.items():
        if not (stay and i in shared):
            size = x.shape[1 + is_mapped :]
            each = x if is_mapped else x[None]
            folded[i] = each.expand(n_mapped, n, *size).reshape(n_mapped * n, *size)
    outputs = call(*folded)
    if isinstance(outputs, Tensor):
        return outputs.reshape(n_mapped, n, *outputs.shape[1:]), 0
    apart = [(x.reshape(n_mapped, n, *x.shape[1:]), 0) if x.ndim > 1 else (x, None) for x in outputs]
    return tuple(x for x, _ in apart), tuple(axis for _, axis in apart)


def mapping() -> Any:
    """The innermost transformation of torch.func, if that is a vmap, else None."""
    innermost = _functorch.peek_interpreter_stack()
    if innermost is None or innermost.key() != _functorch.TransformType.Vmap:
        return None
    return retrieve_current_functorch_interpreter()


def mapped(vmap: Any, call: Callable[..., Any], shared: Sequence[int], inputs: Sequence[Any]) -> Any:
    """The call, within that vmap: what torch does with the rule of an operator, in a third of the time."""
    level = vmap.level()
    opened = [
        # What a torch.func.grad that has ended wrapped is still its own tensor within.
        _functorch._unwrap_batched(_functorch.unwrap_if_dead(x), level) if isinstance(x, Tensor) else (x, None)
        for x in inputs
    ]
    values, axes = [x for x, _ in opened], [axis for _, axis in opened]
    with vmap.lower():
        if all(axis is None for axis in axes):
            return call(*values)
        outputs, out_axes = in_one_batch(call, shared, vmap.batch_size(), axes, values)
    if isinstance(outputs, Tensor):
        return _functorch._add_batch_dim(outputs, out_axes, level)
    pairs = zip(outputs, out_axes, strict=True)
    return tuple(x if axis is None else _functorch._add_batch_dim(x, axis, level) for x, axis in pairs)
