"""CPAB maps as transforms of ``torch.distributions``."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Transform, constraints

from cpabx import registry
from cpabx.distributions.checks import checked_flow
from cpabx.transforms import Cpab
from cpabx.transforms.arguments import as_floats
from cpabx_torch.density import CPABFlow
from cpabx_torch.maps_of_batches import moved, moved_and_log_det


class _Flow(Transform):
    """What both transforms share. A result of the inverse is kept, weakly, with its log det until that is asked for:
    ``log_prob`` of a ``TransformedDistribution`` then follows each trajectory once.
    """

    bijective = True
    sign = 1  # flows keep the order of numbers
    elementwise = False

    def __init__(self, cpab: Cpab, theta: Any, *, cache_size: int = 0) -> None:
        super().__init__(cache_size=cache_size)
        (theta,) = as_floats(registry.get_backend("torch"), theta=theta)
        self.cpab = checked_flow(cpab, tuple(theta.shape), elementwise=self.elementwise)
        self.theta: Tensor = theta
        self._kept: tuple[Any, Any, Tensor] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_kept": None}  # type: ignore[no-untyped-call]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return False
        assert isinstance(other, _Flow)
        same = self.theta is other.theta or torch.equal(self.theta, other.theta)
        return self.cpab == other.cpab and same

    __hash__ = Transform.__hash__

    def with_cache(self, cache_size: int = 1) -> _Flow:
        """The same transform, which keeps its last argument and result if ``cache_size`` is 1."""
        return self if self._cache_size == cache_size else type(self)(self.cpab, self.theta, cache_size=cache_size)

    def forward_shape(self, shape: torch.Size) -> torch.Size:
        """The shape of the result for x of a shape: that of x, broadcast with the batch of theta."""
        own = self.theta.shape[:-1] if self.elementwise else (*self.theta.shape[:-1], self.cpab.ndim)
        return torch.Size(torch.broadcast_shapes(shape, own))  # type: ignore[no-untyped-call]

    inverse_shape = forward_shape

    def _call(self, x: Tensor) -> Tensor:
        return self._without_axis(moved(self.cpab, self._with_axis(x), self.theta, 1.0))

    def _inverse(self, y: Tensor) -> Tensor:
        back, log_det = moved_and_log_det(self.cpab, self._with_axis(y), self.theta, -1.0)
        x = self._without_axis(back)
        if not torch.compiler.is_compiling():
            self._kept = weakref.ref(x), weakref.ref(y), -log_det
        return x

    def log_abs_det_jacobian(self, x: Tensor, y: Tensor) -> Tensor:
        """The logarithm of |det dT/dx| at x, of the shape of x without the axis of an event."""
        kept, self._kept = self._kept, None
        if kept is not None and kept[0]() is x and kept[1]() is y:
            return kept[2]
        return moved_and_log_det(self.cpab, self._with_axis(x), self.theta, 1.0)[1]

    def _with_axis(self, x: Tensor) -> Tensor:
        return x[..., None] if self.elementwise else x

    def _without_axis(self, x: Tensor) -> Tensor:
        return x[..., 0] if self.elementwise else x


class CPABTransform(_Flow):
    """x to T^theta(x) for vectors (..., n); see :func:`cpabx.distributions.CPABTransform`.

    Args:
        cpab: the family.
        theta: (d,) or (..., d).
        cache_size: as in ``torch.distributions.Transform``.
    """

    domain = constraints.real_vector
    codomain = constraints.real_vector


class CPABElementwise(_Flow):
    """x to T^theta(x) for numbers; see :func:`cpabx.distributions.CPABElementwise`.

    Args:
        cpab: the family, in 1D.
        theta: (d,) or (..., d), a map for each number of x, with which it broadcasts.
        cache_size: as in ``torch.distributions.Transform``.
    """

    domain = constraints.real
    codomain = constraints.real
    elementwise = True


__all__ = ["CPABElementwise", "CPABFlow", "CPABTransform"]
