"""Tensors that must not depend on who makes them."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch
from torch import Tensor


def made_apart(values: np.ndarray[Any, Any], dtype: torch.dtype, device: torch.device) -> Tensor:
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
