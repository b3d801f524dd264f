"""One transformation after another, with one sampling of the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError
from cpabx.transforms.base import Array, Transformation


class Composition(Transformation):
    """T(x) = outer(inner(x)), theta = (theta_outer, theta_inner).

    Warping with it equals warping with ``outer`` and then with ``inner``, but for the second
    interpolation. ``Composition(Affine(), Cpab((4, 4)))`` is the paper's Affine+CPAB (section 4.2).
    """

    def __init__(self, outer: Transformation, inner: Transformation) -> None:
        for part in (outer, inner):
            if not isinstance(part, Transformation):
                raise OptionError("parts must be transformations", repr(part), "For instance cpabx.Affine().")
        if outer.ndim != inner.ndim or outer.domain != inner.domain:
            raise OptionError(
                "both parts must act on one domain", f"{outer.domain} and {inner.domain}", "Give them the same domain."
            )
        self.outer, self.inner = outer, inner

    @property
    def n_params(self) -> int:
        return self.outer.n_params + self.inner.n_params

    @property
    def ndim(self) -> int:
        return self.outer.ndim

    @property
    def domain(self) -> tuple[tuple[float, float], ...]:
        return self.outer.domain

    @property
    def config(self) -> dict[str, Any]:
        return {"outer": self.outer, "inner": self.inner}

    def _identity(self) -> Array:
        return np.concatenate([self.outer._identity(), self.inner._identity()])

    def _apply(self, backend: Backend, points: Tensor, theta: Tensor, **options: Any) -> Tensor:
        split = self.outer.n_params
        moved = self.inner._apply(backend, points, theta[:, split:])
        return self.outer._apply(backend, moved, theta[:, :split])

    def _pull_back(self, points: Array, theta: Array, cotangent: Array, **options: Any) -> tuple[Array, Array]:
        from cpabx.numpy_backend import NumpyBackend

        split = self.outer.n_params
        moved = self.inner._apply(NumpyBackend(), points, theta[:, split:])
        grad_moved, grad_outer = self.outer._pull_back(moved, theta[:, :split], cotangent)
        grad_points, grad_inner = self.inner._pull_back(points, theta[:, split:], grad_moved)
        return grad_points, np.concatenate([grad_outer, grad_inner], axis=-1)
