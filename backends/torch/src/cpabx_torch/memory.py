"""torch tensors, as libcpab and libcpab_cuda read and write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cpabx_torch.devices import device_of


class TorchMemory:
    """:class:`cpabx.native.Memory` of tensors; images are (N, C, *size)."""

    channels_last = False

    contiguous: Any = staticmethod(Tensor.contiguous)
    address: Any = staticmethod(Tensor.data_ptr)
    itemsize: Any = staticmethod(Tensor.element_size)
    empty_like: Any = staticmethod(Tensor.new_empty)
    n_threads: Any = staticmethod(torch.get_num_threads)

    def __init__(self, device: Any) -> None:
        self.device = device

    @staticmethod
    def added_up(gradients: Tensor) -> Tensor:
        return gradients  # as they are: all results of an operator have the batch as their first axis


#: Of tensors on the CPU, and of those on a CUDA device.
MEMORY, DEVICE_MEMORY = TorchMemory(None), TorchMemory(device_of)
