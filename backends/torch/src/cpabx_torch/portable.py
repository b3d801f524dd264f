"""The operations of the portable walk, in torch's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor


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
        return x.detach() if x.requires_grad or torch.jit.is_tracing() else x

    def stack(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack(torch.broadcast_tensors(*tensors), -1)

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
