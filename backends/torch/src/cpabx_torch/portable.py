"""The operations of the portable walk, in torch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpabx.portable import Strides
from cpabx.portable.walk import State, Walk, transform
from cpabx.tessellation import Tessellation


def portable(points: Tensor, velocity: Tensor, tessellation: Tessellation, time: float, strides: Strides) -> Tensor:
    """:meth:`cpabx.backend.Backend.cpab_portable`; in files of ONNX a loop, which ends when all trajectories have."""
    if not torch.onnx.is_in_onnx_export():  # loops have no gradients, and tracers do not know them
        return transform(TorchOperations(), points, velocity, tessellation, time, strides)  # type: ignore[no-any-return]
    walk = Walk(TorchOperations(), points.expand(velocity.shape[0], -1, -1), velocity, tessellation, time, strides)
    n = tessellation.ndim

    def goes_on(count: Tensor, *state: Tensor) -> Tensor:
        return (count < strides.number) & (state[n + 1] > 0).any()

    def one_more(count: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        return count + 1, *_flat(walk.after(State(list(state[:n]), *state[n:])))

    start = tuple(x.clone() for x in _flat(walk.state))
    _, *ended = torch.while_loop(goes_on, one_more, (torch.zeros((), dtype=torch.int64), *start))  # type: ignore[no-untyped-call]
    walk.state = State(list(ended[:n]), *ended[n:])
    return walk.result()  # type: ignore[no-any-return]


def _flat(state: State) -> tuple[Tensor, ...]:
    return *state.x, state.cell, state.left, state.most


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
        return rows.permute(2, 0, 1).unbind(0)
