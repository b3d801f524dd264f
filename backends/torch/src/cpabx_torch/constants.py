"""Tensors of read-only arrays, made once."""

from __future__ import annotations

import threading
import weakref
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpabx_torch.differentiation import is_ordinary

_Key = tuple[int, torch.dtype, torch.device]


class Constants:
    """One tensor for each array, type and device, which dies with the array."""

    def __init__(self) -> None:
        self._kept: dict[_Key, tuple[weakref.ref[Any], Tensor]] = {}

    def get(self, values: np.ndarray[Any, Any], dtype: torch.dtype, device: torch.device) -> Tensor:
        """The tensor that is there, or a new one."""
        key = (id(values), dtype, device)
        owner, tensor = self._kept.get(key, (lambda: None, None))
        if tensor is not None and owner() is values:
            return tensor
        tensor = _made_apart(values, dtype, device)
        if is_ordinary(tensor):
            self._kept[key] = (weakref.ref(values, lambda _: self._kept.pop(key, None)), tensor)
        return tensor

    def clear(self) -> None:
        """Forgets all."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def nbytes(self) -> int:
        """Memory of the tensors."""
        return sum(tensor.nbytes for _, tensor in list(self._kept.values()))


def _made_apart(values: np.ndarray[Any, Any], dtype: torch.dtype, device: torch.device) -> Tensor:
    """In a thread of its own: transformations of torch.func, tracers, modes and inference mode belong to threads.

    What they would make of the tensor must not be seen by a call that comes after them.
    """
    made: list[Tensor] = []
    failed: list[BaseException] = []

    def make() -> None:
        try:
            # A copy by numpy: torch would start threads for it, which end with this one.
            made.append(torch.from_numpy(np.array(values, dtype=str(dtype).removeprefix("torch."))).to(device))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=make, name="cpabx-constant")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return made[0]
