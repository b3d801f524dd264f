"""What is minimised at one level: how unlike the images are, and how far areas are stretched."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.basis.maps import frozen
from cpabx.errors import DivergenceError, RangeError
from cpabx.registration.layout import items
from cpabx.registration.stretching import area_penalty, stretched
from cpabx.sampling import PixelGrid, Sampling
from cpabx.transforms import Transformation

Array = NDArray[np.float64]
Index = NDArray[np.int64]


@dataclass(frozen=True)
class Images:
    """What a level sees, in the backend's layout: N pairs, and the weights of the fixed images' pixels, or None."""

    moving: Tensor
    fixed: Tensor
    weights: Tensor | None


@dataclass(frozen=True)
class Stretching:
    """How areas are held, see :func:`cpabx.registration.stretching.area_penalty`."""

    weight: float
    limits: tuple[float, float]
    free: float = 0.5


@dataclass(frozen=True)
class Objective:
    """Losses and gradients by theta of some of N pairs, in one call of the framework's differentiation.

    Attributes:
        backend: of the images.
        family: whose theta is looked for.
        prior: (d, d), its weighted precision P: theta^T P theta / 2 is added, on the host in float64.
        images: at this level.
        loss: ``loss(warped, fixed, weights, items)``, (n,).
        grid: the pixels.
        after: what moves points after the family, such as an affine map, which takes (n, P, n) and items.
        stretching: how areas are held.
        symmetric: both images are warped, half the way each.
    """

    backend: Backend
    family: Transformation
    prior: Array
    images: Images
    loss: Callable[[Tensor, Tensor, Tensor | None, Index], Tensor]
    grid: PixelGrid
    stretching: Stretching
    symmetric: bool = False
    after: Callable[[Tensor, Index], Tensor] | None = None

    def __call__(self, theta: Array, chosen: Index) -> tuple[Array, Array]:
        try:
            return self._evaluated(theta, chosen)
        except (RangeError, DivergenceError):
            if len(chosen) == 1:  # a trial that went too far: the line search comes back
                return np.array([np.inf]), np.zeros_like(theta)
            rows = [self(theta[i : i + 1], chosen[i : i + 1]) for i in range(len(chosen))]
            return np.concatenate([loss for loss, _ in rows]), np.concatenate([grad for _, grad in rows])

    def _evaluated(self, theta: Array, chosen: Index) -> tuple[Array, Array]:
        backend, like = self.backend, self.images.fixed
        ones = backend.asarray(np.ones(len(chosen)), like=like)
        # The derivative by the factor is the loss itself: both come out of one call.
        grad, loss = backend.vjp(
            lambda t, factor: self.data_loss(t, chosen) * factor, (backend.asarray(theta, like=like), ones), ones
        )
        pulled = theta @ self.prior
        values = np.asarray(backend.to_numpy(loss), np.float64) + (pulled * theta).sum(axis=1) / 2
        gradients = np.asarray(backend.to_numpy(grad), np.float64) + pulled
        ended = ~(np.isfinite(values) & np.isfinite(gradients).all(axis=1))
        return np.where(ended, np.inf, values), np.where(ended[:, None], 0.0, gradients)

    def data_loss(self, theta: Tensor, chosen: Index) -> Tensor:
        """(n,) without the prior, as the framework differentiates it."""
        backend, images = self.backend, self.images
        moving, fixed = items(backend, images.moving, chosen), items(backend, images.fixed, chosen)
        weights = None if images.weights is None else items(backend, images.weights, chosen)
        points = self.grid.tensor(backend, like=fixed)
        moved = self.family.apply(backend, points, theta, time=0.5 if self.symmetric else 1.0)
        if self.symmetric:
            back = self._on_grid(self.family.apply(backend, points, theta, time=-0.5))
            fixed = backend.sample(fixed, back, SAMPLING)
            weights = None if weights is None else backend.sample(weights, back, SAMPLING)
        target = moved if self.after is None else self.after(moved, chosen)
        warped = backend.sample(moving, self._on_grid(target), SAMPLING)
        value = self.loss(warped, fixed, weights, chosen)
        if self.stretching.weight:
            value = value + self._penalty(self._held(theta, points, target)) * float(self.stretching.weight)
        return value

    def beyond(self, theta: Array, chosen: Index) -> Index:
        """Which rows of theta (n, d) have maps that multiply an area by more, or less, than the limits say."""
        like = self.images.fixed
        if not len(chosen):
            return np.zeros(0, np.int64)
        own, points = self.backend.asarray(theta, like=like), self.grid.tensor(self.backend, like=like)
        target = self.family.apply(self.backend, points, own, time=0.5 if self.symmetric else 1.0)
        target = target if self.after is None else self.after(target, chosen)
        return stretched(self.backend, self._held(own, points, target), self.stretching.limits, 1.0)

    def _penalty(self, held: Tensor) -> Tensor:
        """(n,): how far areas are beyond, computed for the items where they are."""
        backend, bounds = self.backend, (self.stretching.limits, self.stretching.free)
        n, beyond = int(backend.shape(held)[0] or 0), stretched(backend, held, *bounds)
        if len(beyond) == n:
            return area_penalty(backend, held, *bounds)
        places = np.full(n, len(beyond))
        places[beyond] = np.arange(len(beyond))
        nothing = backend.asarray(np.zeros(1), like=held)
        if not len(beyond):
            return nothing
        own = area_penalty(backend, backend.take(held, beyond, axis=0), *bounds)
        return backend.take(backend.concat([own, nothing], axis=0), places, axis=0)

    def _held(self, theta: Tensor, points: Tensor, target: Tensor) -> Tensor:
        """Where pixels go in all, in pixels."""
        whole = self.family.apply(self.backend, points, theta) if self.symmetric else target
        return self._on_grid(whole * self.backend.constant(self._pixels, like=whole))

    @functools.cached_property
    def _pixels(self) -> Array:
        """(n,) in a unit of length. One array for all calls: a backend makes one constant of it."""
        size, domain = self.grid.size, self.grid.domain
        return frozen(np.array([n / (high - low) for n, (low, high) in zip(size[::-1], domain, strict=True)]))

    def _on_grid(self, points: Tensor) -> Tensor:
        return self.backend.reshape(points, (-1, *self.grid.size, len(self.grid.size)))


SAMPLING = Sampling(padding_mode="border")
