"""Series of several classes: what of them counts, class means, and distances from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError
from cpabx.sampling.lengths import without_padding
from cpabx.transforms.arguments import as_floats
from cpabx.transforms.series import checked_lengths


@dataclass(frozen=True)
class Batch:
    """Series that are checked, in the backend's layout; what is missing of them is 0.

    Attributes:
        index: (N,) numbers of classes, from 0 to K - 1.
        weights: in the layout of series of one channel; None if all samples count alike.
        lengths: (N,) as floats, or None.
    """

    backend: Backend
    series: Tensor
    index: NDArray[np.int64]
    weights: Tensor | None
    lengths: Tensor | None

    @property
    def n_classes(self) -> int:
        return int(self.index.max()) + 1

    @property
    def size(self) -> int:
        """L, how many samples there are."""
        return int(self.backend.shape(self.series)[1 if self.backend.channels_last else 2])  # type: ignore[arg-type]

    def means(self, series: Tensor, weights: Tensor | None) -> Tensor:
        """(K, ...) class means of series (N, ...), as many as there are in the batch."""
        member = (np.arange(self.n_classes)[:, None] == self.index).astype("float64")
        if weights is None:
            return self._combined(member / member.sum(axis=1, keepdims=True), series)
        total = self._combined(member, weights)
        zero = total * 0
        mean = self._combined(member, series * weights) / self.backend.where(total > 0, total, zero + 1)
        return mean * self.backend.where(total > 0, zero + 1, zero)

    def _combined(self, factors: NDArray[np.float64], series: Tensor) -> Tensor:
        """(K, ...) sums of series (N, ...) with factors (K, N)."""
        _, *rest = self.backend.shape(series)
        flat = self.backend.reshape(series, (len(self.index), -1))
        made = self.backend.matmul(self.backend.constant(factors, like=series), flat)
        return self.backend.reshape(made, (len(factors), *rest))  # type: ignore[arg-type]

    def distances(self, others: Tensor, series: Tensor, weights: Tensor | None) -> Tensor:
        """(M,) mean squared differences of as many series and others."""
        squares = (series - others) * (series - others)
        if weights is None:
            flat = self.backend.reshape(squares, (self.backend.shape(squares)[0], -1))  # type: ignore[arg-type]
            return self.backend.sum(flat, axis=1) / float(np.prod(self.backend.shape(squares)[1:]))  # type: ignore[arg-type]
        channels = self.backend.shape(series)[2 if self.backend.channels_last else 1]
        both = self.backend.sum(self.backend.sum(squares * weights, axis=2), axis=1)
        total = self.backend.sum(self.backend.sum(weights, axis=2), axis=1) * float(channels)  # type: ignore[arg-type]
        return both / self.backend.where(total > 0, total, total * 0 + 1)

    def repeated(self, tensor: Tensor) -> Tensor:
        """(N * K, ...): each of N items once for each class."""
        return self.backend.take(tensor, np.repeat(np.arange(len(self.index)), self.n_classes), axis=0)

    def each_class(self, tensor: Tensor) -> Tensor:
        """(N * K, ...): all of K items, once for each series."""
        return self.backend.take(tensor, np.tile(np.arange(self.n_classes), len(self.index)), axis=0)

    def hinge(self, distances: Tensor, margin: float) -> Tensor:
        """The mean, over series and other classes, of what is missing of a margin; of distances (N * K,)."""
        n, k = len(self.index), self.n_classes
        own = self.backend.take(distances, np.repeat(np.arange(n) * k + self.index, k), axis=0)
        short = own - distances + margin
        others = (np.arange(k) != self.index[:, None]).astype("float64").ravel() / (n * (k - 1))
        short = self.backend.where(short > 0, short, short * 0)
        return self.backend.sum(short * self.backend.constant(others, like=short), axis=0)

    def mean(self, distances: Tensor) -> Tensor:
        """Of one number per item."""
        return self.backend.sum(distances, axis=0) / float(self.backend.shape(distances)[0])  # type: ignore[arg-type]


def checked_batch(
    series: Tensor, labels: Any, mask: Any, lengths: Any, *, several: bool = False, **others: Any
) -> Batch:
    """A batch of the arguments of a loss.

    Raises:
        ShapeError, DtypeError, OptionError: they do not fit each other, or ``several`` classes are one.
        BackendMismatchError: they belong to two frameworks.
    """
    backend = registry.backend_for(None, series=series, **others)
    series, *_ = as_floats(backend, series=series, **others)
    if len(shape := backend.shape(series)) != 3 or 0 in shape:
        axes = "(N, L, C)" if backend.channels_last else "(N, C, L)"
        raise ShapeError(f"series must be {axes} in {backend.name}, none of them 0", f"shape {shape}", "Reshape them.")
    n, size = shape[0], shape[1 if backend.channels_last else 2]
    if n is None or size is None:
        raise ShapeError("a loss needs series of known number and length", f"shape {shape}", "Fix the batch size.")
    index = _numbered(labels, n, several)
    counted = None if lengths is None else checked_lengths(backend, lengths, series, series)
    layout = (n, size, 1) if backend.channels_last else (n, 1, size)
    weights = None
    if mask is not None:
        (weights,) = as_floats(backend, mask=backend.asarray(mask, like=series))
        if backend.shape(weights) != (n, size):
            raise ShapeError(f"mask must be ({n}, {size})", f"shape {backend.shape(weights)}", "One for each sample.")
        weights = backend.reshape(weights, layout)
    if counted is not None:
        ones = backend.constant(np.ones(layout), like=series)
        weights = without_padding(backend, ones if weights is None else weights, counted)
    if weights is not None:
        series = backend.where(weights > 0, series, weights * 0)
    return Batch(backend, series, index, weights, counted)


def _numbered(labels: Any, n: int, several: bool) -> NDArray[np.int64]:
    if labels is None:
        values = np.zeros(n, np.int64)
    elif (owner := registry.owner(labels)) in (None, "numpy"):
        values = np.asarray(labels)
    else:
        values = registry.get_backend(owner).to_numpy(labels)
    if values.shape != (n,):
        raise ShapeError(f"labels must be ({n},), one for each series", f"shape {values.shape}", "Count the batch.")
    classes, index = np.unique(values, return_inverse=True)
    if several and len(classes) < 2:
        raise OptionError(
            "a triplet loss needs two classes or more", f"{len(classes)}", "Use the loss without triplets."
        )
    return index.astype(np.int64)
