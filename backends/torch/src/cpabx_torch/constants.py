"""Tensors of read-only arrays, made once."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpabx_torch.apart import made_apart
from cpabx_torch.devices import Cuda, Kept, check_not_capturing
from cpabx_torch.differentiation import is_ordinary, sees_constants

_Key = tuple[int, torch.dtype, torch.device]


class Constants:
    """One tensor for each array, type and device, which dies with the array."""

    def __init__(self) -> None:
        self._kept: dict[_Key, tuple[weakref.ref[Any], Tensor, Kept | None]] = {}

    def get(self, values: np.ndarray[Any, Any], dtype: torch.dtype, device: torch.device) -> Tensor:
        """The tensor that is there, or a new one."""
        key = (id(values), dtype, device)
        owner, tensor, on_device = self._kept.get(key, (lambda: None, None, None))
        if tensor is not None and owner() is values:
            return tensor if on_device is None else on_device.used()
        if device.type == "cuda":
            check_not_capturing(Cuda(device))
        tensor = made_apart(values, dtype, device)
        if is_ordinary(tensor):
            on_device = Kept(tensor, Cuda(device)) if device.type == "cuda" else None
            self._kept[key] = (weakref.ref(values, lambda _: self._kept.pop(key, None)), tensor, on_device)
            if on_device is not None:
                on_device.used()
        return tensor

    def clear(self) -> None:
        """Forgets all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Memory of the tensors."""
        return sum(tensor.nbytes for _, tensor, _ in list(self._kept.values()))


#: Those of the backend.
CONSTANTS = Constants()


def row(values: np.ndarray[Any, Any], *, like: Tensor) -> Tensor:
    """A tensor of an array: for a device, where a copy takes a wait, the one that is kept."""
    if like.is_cuda and not torch.compiler.is_compiling() and sees_constants(like) and not values.flags.writeable:
        return CONSTANTS.get(values, like.dtype, like.device)
    return torch.tensor(values, dtype=like.dtype, device=like.device)
