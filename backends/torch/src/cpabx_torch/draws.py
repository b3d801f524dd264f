"""Standard normal numbers by torch's generators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.errors import DeviceError, OptionError, shown
from cpabx.transforms.arguments import count


def normal(shape: Sequence[Any], generator: Any, device: Any, dtype: torch.dtype) -> Tensor:
    """By torch's global generators, or by one that draws where it lives."""
    sizes = [size if isinstance(size, torch.SymInt) else count(size) for size in shape]
    where = None if device is None else checked_device(device)
    if generator is None:
        return torch.randn(sizes, dtype=dtype, device=where)
    if not isinstance(generator, torch.Generator):
        raise OptionError(
            "generator must be a torch.Generator", type(generator).__name__, "For instance torch.Generator()."
        )
    noise = torch.randn(sizes, generator=generator, dtype=dtype, device=generator.device)
    return noise if where is None else noise.to(where)


def checked_device(device: Any) -> torch.device:
    """A device that this torch can use."""
    try:
        where = torch.device(device)
        if where.type != "meta":
            torch.empty(0, device=where)
    except (RuntimeError, AssertionError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise DeviceError(
            "device must be one that torch can use", f"{shown(device)}: {reason}", "For instance 'cpu'."
        ) from error
    return where
