"""How unlike a warped image and a fixed one are. All in the same measure: about 1 for images that share nothing."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.options import at_least, positive
from cpabx.registration.layout import along, channel_sum, channels, pixel_shape, total
from cpabx.tracing import kept

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Batch:
    """Some pairs at a level, with what is known of them beforehand.

    Attributes:
        backend: of the images.
        warped: the moving images, sampled at the map, in the backend's layout.
        fixed: the fixed images.
        weights: of pixels, with one channel and mean 1 for each item; None if all count alike.
        variance: (n,) of the fixed images, never 0.
        moving_range: (n,) tensors, the least and the largest value of the moving images.
        fixed_range: the same of the fixed ones.
    """

    backend: Backend
    warped: Tensor
    fixed: Tensor
    weights: Tensor | None
    variance: Tensor
    moving_range: tuple[Tensor, Tensor]
    fixed_range: tuple[Tensor, Tensor]

    def mean(self, values: Tensor) -> Tensor:
        """(n,) weighted means of what has a number for each pixel and channel, or each pixel."""
        weighted = values if self.weights is None else values * self.weights
        return total(self.backend, weighted) * (1 / math.prod(int(n or 0) for n in self.backend.shape(values)[1:]))

    def wide(self, values: Tensor) -> Tensor:
        """(n,) as (n, 1, ...)."""
        return self.backend.reshape(values, (-1, *[1] * (len(self.backend.shape(self.fixed)) - 1)))


class Loss(abc.ABC):
    """A measure (n,) of how unlike images are, differentiable, and its curvature."""

    @abc.abstractmethod
    def __call__(self, batch: Batch) -> Tensor:
        """(n,) losses."""

    def curvature(self, backend: Backend, fixed: Tensor, variance: Array) -> Array:
        """(N, 1, ...) or (N, *size): the loss is about the mean of this times squared differences, near the end."""
        return (1 / variance).reshape(-1, *[1] * len(pixel_shape(backend, fixed)))


@dataclass(frozen=True)
class MeanSquares(Loss):
    """The mean squared difference, as a share of the fixed image's variance."""

    def __call__(self, batch: Batch) -> Tensor:
        difference = batch.warped - batch.fixed
        return batch.mean(difference * difference) / batch.variance


@dataclass(frozen=True)
class Huber(Loss):
    """As mean squares for differences up to ``delta`` standard deviations of the fixed image, and linear beyond."""

    delta: float = 0.5

    def __post_init__(self) -> None:
        positive("delta", self.delta)

    def __call__(self, batch: Batch) -> Tensor:
        backend, bound = batch.backend, batch.wide(batch.variance**0.5) * float(self.delta)
        difference = batch.warped - batch.fixed
        size = backend.where(difference > 0, difference, -difference)
        inner = backend.where(size < bound, size, bound + size * 0)
        return batch.mean(inner * (2 * size - inner)) / batch.variance


@dataclass(frozen=True)
class Correlation(Loss):
    """2 (1 - r) for the correlation r of all pixels: brightness and contrast do not matter."""

    def __call__(self, batch: Batch) -> Tensor:
        a = batch.warped - batch.wide(batch.mean(batch.warped))
        b = batch.fixed - batch.wide(batch.mean(batch.fixed))
        product = batch.mean(a * a) * batch.mean(b * b)
        return 2 - 2 * batch.mean(a * b) / (product + batch.variance * batch.variance * 1e-6) ** 0.5


@dataclass(frozen=True)
class LocalCorrelation(Loss):
    """1 - r^2 for the correlation r in a window around each pixel, in the mean: also where light is uneven.

    Args:
        radius: of the window, whose weights fall linearly to nothing there, in pixels of the level.
        floor: of local variances, as a share of the whole image's: what varies less has no say.
    """

    radius: int = 5
    floor: float = 0.02

    def __post_init__(self) -> None:
        positive("radius", self.radius)
        positive("floor", self.floor)

    def __call__(self, batch: Batch) -> Tensor:
        backend, a, b = batch.backend, batch.warped, batch.fixed
        mean_a, mean_b = self._local(backend, a), self._local(backend, b)
        least = batch.wide(batch.variance) * float(self.floor)
        both = self._local(backend, a * b) - mean_a * mean_b
        own_a, own_b = self._local(backend, a * a) - mean_a * mean_a, self._local(backend, b * b) - mean_b * mean_b
        return batch.mean(
            1 - both * both / ((_positive_part(backend, own_a) + least) * (_positive_part(backend, own_b) + least))
        )

    def curvature(self, backend: Backend, fixed: Tensor, variance: Array) -> Array:
        mean = self._local(backend, fixed)
        own = channel_sum(backend, self._local(backend, fixed * fixed) - mean * mean) * (1 / channels(backend, fixed))
        local = np.asarray(backend.to_numpy(own), np.float64).reshape(-1, *pixel_shape(backend, fixed))
        return np.asarray(1 / (np.maximum(local, 0) + self.floor * variance.reshape(-1, *[1] * (local.ndim - 1))))

    def _local(self, backend: Backend, images: Tensor) -> Tensor:
        for axis, n in enumerate(pixel_shape(backend, images)):
            images = along(backend, images, axis, _window(n, float(self.radius)))
        return images


@dataclass(frozen=True)
class MutualInformation(Loss):
    """Minus the mutual information of the values of both images, in nats: for images of different kinds.

    Args:
        bins: of the histograms, which cubic B-splines smooth.
    """

    bins: int = 24

    def __post_init__(self) -> None:
        at_least(6, "bins", self.bins)

    def __call__(self, batch: Batch) -> Tensor:
        backend, weights = batch.backend, batch.weights
        shape = [int(n or 0) for n in backend.shape(batch.fixed)]
        a = self._shares(batch, batch.warped, batch.moving_range)
        b = self._shares(batch, batch.fixed, batch.fixed_range)
        if weights is not None:
            spread = weights + batch.fixed * 0
            a = a * backend.reshape(spread, (shape[0], -1, 1))
        joint = backend.matmul(backend.matrix_transpose(a), b) * (1 / math.prod(shape[1:]))
        return (
            self._entropy(backend, joint)
            - self._entropy(backend, backend.sum(joint, axis=1))
            - self._entropy(backend, backend.sum(joint, axis=2))
        )

    def _entropy(self, backend: Backend, p: Tensor) -> Tensor:
        return -total(backend, p * backend.log(p + 1e-8))

    def _shares(self, batch: Batch, values: Tensor, limits: tuple[Tensor, Tensor]) -> Tensor:
        """(n, P, bins) of each value in each bin, by the cubic B-spline."""
        backend, n = batch.backend, int(batch.backend.shape(values)[0] or 0)
        low, high = limits
        place = (values - batch.wide(low)) / batch.wide(high - low + (batch.variance * 1e-6) ** 0.5)
        place = backend.reshape(place, (n, -1, 1)) * float(self.bins - 4) + 1.5
        distance = place - backend.constant(_count(self.bins), like=values)
        distance = backend.where(distance > 0, distance, -distance)
        near = 2 / 3 - distance * distance * (1 - distance / 2)
        rest = backend.where(distance < 2, 2 - distance, distance * 0)
        return backend.where(distance < 1, near, rest * rest * rest / 6)


@dataclass(frozen=True)
class Own(Loss):
    """A function of the user's: ``function(warped, fixed)``, or with ``weights`` behind them, where there is a mask."""

    function: Callable[..., Any]

    def __call__(self, batch: Batch) -> Tensor:
        weights = () if batch.weights is None else (batch.weights,)
        value = self.function(batch.warped, batch.fixed, *weights)
        n = batch.backend.shape(batch.fixed)[0]
        got = batch.backend.shape(value) if hasattr(value, "shape") else None
        if got == () and n == 1:
            return batch.backend.reshape(value, (1,))
        if got != (n,):
            raise ShapeError(
                f"a loss must give one number for each pair, ({n},)", f"shape {got}", "Take means over pixels alone."
            )
        return value


def _positive_part(backend: Backend, x: Tensor) -> Tensor:
    return backend.where(x > 0, x, x * 0)


@kept(16)
def _window(n: int, radius: float) -> Array:
    """(n, n) means with triangular weights, which stop at the border."""
    places = np.arange(n)
    weights = np.maximum(0, radius + 1 - np.abs(places[:, None] - places))
    return _frozen(weights / weights.sum(axis=1, keepdims=True))


@kept(16)
def _count(n: int) -> Array:
    return _frozen(np.arange(n, dtype=np.float64))


def _frozen(array: Array) -> Array:
    array.flags.writeable = False
    return array


#: By their names.
LOSSES: dict[str, Loss] = {
    "mse": MeanSquares(),
    "huber": Huber(),
    "ncc": Correlation(),
    "local_ncc": LocalCorrelation(),
    "mutual_information": MutualInformation(),
}


def checked_loss(loss: Any) -> Loss:
    """A loss by its name, one with options, or any function.

    Raises:
        OptionError: it is nothing of the kind.
    """
    if isinstance(loss, Loss):
        return loss
    if isinstance(loss, str) and loss in LOSSES:
        return LOSSES[loss]
    if callable(loss) and not isinstance(loss, type):
        return Own(loss)
    raise OptionError(f"loss must be one of {', '.join(LOSSES)}, or a function", shown(loss), "Choose one of them.")
