"""One transformation after another, with one sampling of the image."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, shown
from cpabx.numpy_backend import NumpyBackend
from cpabx.sampling import PixelGrid
from cpabx.transforms.base import Array, Transformation


class Composition(Transformation):
    """T(x) = outer(inner(x)), theta = (theta_outer, theta_inner); and so on for more parts.

    Warping with it equals warping with ``outer`` and then with ``inner``, but for the second
    interpolation. ``Composition(Affine(), Cpab((4, 4)))`` is the paper's Affine+CPAB (section 4.2);
    ``Composition(Cpab((8, 8)), Cpab((4, 4)), Cpab((2, 2)))`` is three fields, of which the last acts first.

    Args:
        outer: the part that acts last.
        inner: the part that acts before it.
        more: parts that act before that, each before the one to its left. Parts that are compositions
            are taken apart, which changes nothing: composition is associative.

    Raises:
        OptionError: a part is no transformation, or acts on another domain.
    """

    #: The parts, the one that acts last first, as their parameters are in theta.
    parts: tuple[Transformation, ...]

    # Each object has its own: attributes, as every call asks for them several times.
    n_params: int = 0
    ndim: int = 0
    domain: tuple[tuple[float, float], ...] = ()

    def __init__(self, outer: Transformation, inner: Transformation, *more: Transformation) -> None:
        parts: list[Transformation] = []
        for part in (outer, inner, *more):
            if not isinstance(part, Transformation):
                raise OptionError("parts must be transformations", shown(part), "For instance cpabx.Affine().")
            if part.ndim != outer.ndim:
                wanted = part.ndim if outer.ndim == 2 else outer.ndim  # 2 is the default, and what was forgotten
                raise OptionError(
                    "all parts must have one number of dimensions",
                    f"{outer.ndim} in {outer!r}, {part.ndim} in {part!r}",
                    f"For instance cpabx.Affine(ndim={wanted}), or as many numbers of cells.",
                )
            if part.domain != outer.domain:
                raise OptionError(
                    "all parts must act on one domain",
                    f"{outer.domain} and {part.domain}",
                    "Give them the same domain.",
                )
            parts += part.parts if isinstance(part, Composition) else [part]
        self.parts = tuple(parts)
        self.n_params = sum(part.n_params for part in parts)
        self.ndim, self.domain = outer.ndim, outer.domain

    @property
    def outer(self) -> Transformation:
        """The part that acts last."""
        return self.parts[0]

    @property
    def inner(self) -> Transformation:
        """What acts before it: a part, or a composition of parts."""
        rest = self.parts[1:]
        return rest[0] if len(rest) == 1 else Composition(*rest)

    @property
    def config(self) -> dict[str, Any]:
        return {"outer": self.outer, "inner": self.inner}

    @property
    def has_inverse(self) -> bool:
        return all(part.has_inverse for part in self.parts)

    def _without_inverse(self) -> list[str]:
        return [repr(part) for part in self.parts if not part.has_inverse]

    def identity_theta(self) -> Array:
        return np.concatenate([part.identity_theta() for part in self.parts])

    def _split(self, theta: Tensor) -> list[tuple[Transformation, Tensor]]:
        """Parts with their parameters, as in theta."""
        edges = itertools.accumulate([part.n_params for part in self.parts], initial=0)
        return [(part, theta[:, a:b]) for part, (a, b) in zip(self.parts, itertools.pairwise(edges), strict=True)]

    def _in_order(self, theta: Tensor, time: float) -> list[tuple[Transformation, Tensor]]:
        """Parts with their parameters, the one that acts first at the front: for the inverse the outermost."""
        parts = self._split(theta)
        return parts if time < 0 else parts[::-1]

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        for part, own in self._in_order(theta, time):
            points = part.apply(backend, points, own, time=time)
        return points

    def push_forward(
        self,
        backend: Backend,
        points: Tensor,
        theta: Tensor,
        tangent_points: Tensor | None,
        tangent_theta: Tensor | None,
        *,
        time: float = 1.0,
    ) -> Tensor:
        changes: list[Tensor | None] = [None] * len(self.parts)
        if tangent_theta is not None:
            changes = [own for _, own in self._split(tangent_theta)]
        along, steps = tangent_points, list(zip(self._split(theta), changes, strict=True))
        for i, ((part, own), change) in enumerate(steps if time < 0 else steps[::-1], 1):
            along = part.push_forward(backend, points, own, along, change, time=time)
            if i < len(steps):
                points = part.apply(backend, points, own, time=time)
        return along

    def _jacobian(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor | None]:
        product: Tensor = None
        for i, (part, own) in enumerate(self._in_order(theta, time), 1):
            matrices, _ = part._jacobian(backend, points, own, time)
            product = matrices if product is None else backend.matmul(matrices, product)
            if i < len(self.parts):
                points = part.apply(backend, points, own, time=time)
        return product, None

    def _log_det(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> Tensor:
        return self._moved_and_log_det(backend, points, theta, time)[1]

    def _moved_and_log_det(self, backend: Backend, points: Tensor, theta: Tensor, time: float) -> tuple[Tensor, Tensor]:
        total: Tensor = None
        for part, own in self._in_order(theta, time):
            points, log_det = part._moved_and_log_det(backend, points, own, time)
            total = log_det if total is None else total + log_det
        return points, total

    def apply_to_grid(self, backend: Backend, grid: PixelGrid, theta: Tensor) -> Tensor:
        *outer, (first, first_theta) = self._split(theta)
        points = first.apply_to_grid(backend, grid, first_theta)
        for part, own in reversed(outer):
            points = part.apply(backend, points, own)
        return points

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        backend, steps, grads = NumpyBackend(), [], []
        for part, own in reversed(self._split(theta)):
            steps.append((part, own, points))
            points = part.apply(backend, points, own)
        for part, own, before in reversed(steps):
            cotangent, grad = part.pull_back(before, own, cotangent)
            grads.append(grad)
        return cotangent, np.concatenate(grads, axis=-1)
