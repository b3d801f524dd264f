"""How far aligned series are from their class mean."""

from __future__ import annotations

from typing import Any

from cpabx.backend import Tensor
from cpabx.losses.batch import checked_batch
from cpabx.options import positive


def within_class_variance(aligned: Tensor, labels: Any = None, *, mask: Any = None, lengths: Any = None) -> Tensor:
    """The mean squared distance of aligned series from the mean of their class.

    It is smaller the more a map shrinks what differs between series: hold theta by :func:`cpabx.losses.smoothness`.

    Args:
        aligned: (N, C, L), or (N, L, C) with channels last.
        labels: (N,) classes; None is one.
        mask: (N, L), 0 where a sample is missing, a weight elsewhere.
        lengths: (N,) whole numbers: what lies beyond is missing.

    Returns:
        A scalar.

    Raises:
        ShapeError, DtypeError, OptionError, BackendMismatchError: the arguments do not fit each other.
    """
    batch = checked_batch(aligned, labels, mask, lengths)
    means = batch.means(batch.series, batch.weights)
    own = batch.backend.take(means, batch.index, axis=0)
    return batch.mean(batch.distances(own, batch.series, batch.weights))


def variance_triplet(
    aligned: Tensor, labels: Any, *, margin: float = 1.0, mask: Any = None, lengths: Any = None
) -> Tensor:
    """Asks that aligned series are closer to the mean of their class than to those of others.

    Args:
        aligned: (N, C, L), or (N, L, C) with channels last.
        labels: (N,) classes, of which there are two or more.
        margin: by how much closer, in squares of the series' units: the mean of max(0, own - other + margin).
        mask: as in :func:`within_class_variance`.
        lengths: as in :func:`within_class_variance`.

    Returns:
        A scalar.

    Raises:
        OptionError: one class alone, or a margin that is none.
        ShapeError, DtypeError, BackendMismatchError: the arguments do not fit each other.
    """
    margin = positive("margin", margin, or_zero=True)
    batch = checked_batch(aligned, labels, mask, lengths, several=True)
    means = batch.means(batch.series, batch.weights)
    weights = None if batch.weights is None else batch.repeated(batch.weights)
    return batch.hinge(batch.distances(batch.each_class(means), batch.repeated(batch.series), weights), margin)
