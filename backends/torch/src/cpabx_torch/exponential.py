"""The exponential of small matrices, without waiting for a device: torch's looks at how large they are."""

from __future__ import annotations

import torch
from torch import Tensor

#: Where the Taylor polynomial of that degree has all digits of float64.
_REACH, _DEGREE = 0.5, 14
#: Squarings: enough for matrices of norm 2^15, beyond which turns have no digits left in float32.
_MOST = 16


def expm(matrices: Tensor) -> Tensor:
    """Exponentials of matrices (..., n, n) by scaling and squaring, each with the scale that it needs.

    Those beyond norm 2^15, and those that are not finite, become NaN.
    """
    norm = matrices.detach().abs().sum(-1).amax(-1)
    n_squarings = torch.where(norm > _REACH, (norm / _REACH).log2().ceil(), 0.0)
    n_squarings = torch.where(n_squarings <= _MOST, n_squarings, torch.nan)[..., None, None]
    scaled = matrices * torch.exp2(-n_squarings)
    result = power = torch.eye(matrices.shape[-1], dtype=matrices.dtype, device=matrices.device) + scaled * 0
    for k in range(_DEGREE, 0, -1):  # Horner's scheme
        result = power + scaled @ result / k
    for k in range(_MOST, 0, -1):
        # Small matrices wait for the last squarings: what is not taken never overflows, nor does its derivative.
        result = torch.where(n_squarings >= k, result @ result, result)
    return result
