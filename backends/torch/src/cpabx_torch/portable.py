"""The operations of the portable walk, in torch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpabx.errors import UnsupportedError
from cpabx.portable import Strides
from cpabx.portable.walk import State, Walk, stride
from cpabx.tessellation import Tessellation
from cpabx_torch.differentiation import has_values
from cpabx_torch.exporting import is_exporting


def portable(points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float, strides: Strides) -> Tensor:
    """:meth:`cpabx.backend.Backend.cpab_portable`.

    A loop, which ends when all trajectories have: in eager mode of Python, in files of ONNX a node, in programs of
    ``torch.export`` one where ``strides.loop`` asks for it. Traces hold as many strides as there may be.

    Raises:
        UnsupportedError: a trace of strides that are meant for a loop.
    """
    if strides.loop and torch.jit.is_tracing():  # type: ignore
        raise UnsupportedError(
            "torch.jit.trace records a fixed number of strides, which must be chosen",
            "a layer with export='portable'",
            "Call it in: with cpabx.export.portable(cpabx.export.strides_for(model, samples)).",
        )
    ops = TorchOperations()
    if torch.onnx.is_in_onnx_export() or (strides.loop and is_exporting()):
        points = points.expand(velocity.shape[0], -1, -1)
        return _in_a_loop(Walk(ops, points, velocity, tessellation, time, strides))
    walk = Walk(ops, points, velocity, tessellation, time, strides)
    for _ in range(strides.number):
        if has_values(walk.state.left) and not (walk.state.left > 0).any():
            break
        walk.stride()
    return walk.result()  # type: ignore[no-any-return]


def _in_a_loop(walk: Walk) -> Tensor:
    """The whole walk, as an operator that has a stride as a graph of its own."""
    strides, n = walk.strides, len(walk.first)

    def goes_on(count: Tensor, *state: Tensor) -> Tensor:
        return (count < strides.number) & (state[n + 1] > 0).any()

    def one_more(count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        known = state[n + 3 :]
        after = stride(walk.ops, known[0], list(known[1:]), State(list(state[:n]), *state[n : n + 3]), strides)
        return count + 1, *_flat(after)

    start = tuple(x.clone() for x in _flat(walk.state))
    # torch.while_loop would have Dynamo trace it first, for half of the time that an export takes.
    carried = (torch.zeros((), dtype=torch.int64), *start)
    _, *ended = torch.ops.higher_order.while_loop(goes_on, one_more, carried, (walk.table, *walk.first))
    walk.state = State(list(ended[:n]), *ended[n:])
    return walk.result()  # type: ignore[no-any-return]


def _flat(state: State) -> tuple[Tensor, ...]:
    return *state.moved, state.cell, state.left, state.most


class TorchOperations:
    """As :class:`cpabx.portable.Operations` says; exporters and tracers see operators of torch alone."""

    def constant(self, values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
        return torch.tensor(values, dtype=like.dtype, device=like.device)

    def where(self, condition: Tensor, a: Tensor, b: Tensor | float) -> Tensor:
        return torch.where(condition, a, b)

    def minimum(self, a: Tensor, b: Tensor | float) -> Tensor:
        return torch.minimum(a, b) if isinstance(b, Tensor) else a.clamp(max=b)

    def maximum(self, a: Tensor, b: Tensor | float) -> Tensor:
        return torch.maximum(a, b) if isinstance(b, Tensor) else a.clamp(min=b)

    def sqrt(self, x: Tensor) -> Tensor:
        return x.sqrt()

    def floor(self, x: Tensor) -> Tensor:
        return x.floor()

    def detach(self, x: Tensor) -> Tensor:
        # A trace is compared with another one, made without gradients: it must not depend on them.
        return x.detach() if x.requires_grad or torch.jit.is_tracing() else x  # type: ignore

    def stack(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack(torch.broadcast_tensors(*tensors), -1)  # type: ignore[no-untyped-call]

    def joined(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b.expand(a.shape[0], -1, -1)], -1)

    def nodes(self, velocity: Tensor, index: np.ndarray[Any, Any]) -> Tensor:
        return velocity.index_select(1, torch.tensor(index, device=velocity.device))

    def with_ideal(self, velocity: Tensor, weights: Tensor) -> Tensor:
        return torch.cat([velocity, weights @ velocity], 1)

    def rows(self, table: Tensor, index: Tensor) -> Sequence[Tensor]:
        # A NaN becomes no whole number, so the caller never has one.
        n, n_rows, n_columns = table.shape
        where = index.long()
        if not isinstance(n, int) or n != 1:
            where = where + torch.arange(n, device=table.device)[:, None] * n_rows
        rows = torch.nn.functional.embedding(where, table.reshape(-1, n_columns))
        return rows.unbind(-1)
