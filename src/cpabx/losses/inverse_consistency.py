"""How well the barycentre of a class, warped back by the inverse, gives each original."""

from __future__ import annotations

from typing import Any

from cpabx.backend import Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError, shown
from cpabx.losses.batch import Batch, checked_batch
from cpabx.options import positive
from cpabx.sampling import Sampling, pixel_grid
from cpabx.transforms import Transformation
from cpabx.transforms.series import series_places


def inverse_consistency(
    series: Tensor,
    theta: Tensor,
    transformation: Transformation,
    labels: Any = None,
    *,
    mask: Any = None,
    lengths: Any = None,
    padding_mode: str = "border",
) -> Tensor:
    """The inverse-consistency averaging error (ICAE) of an alignment.

    Series are aligned, ``transformation.warp(series, theta)``, and averaged in each class. The barycentre is warped
    back by the inverse map of each series, and compared with the original: mean squares.

    Args:
        series: the originals, (N, C, L), or (N, L, C) with channels last.
        theta: (N, d), the maps that align them.
        transformation: the family of maps in 1D, with an inverse.
        labels: (N,) classes; None is one.
        mask: (N, L), 0 where a sample is missing, a weight elsewhere.
        lengths: (N,) whole numbers: each series covers the domain with so many samples, and barycentres with L.
        padding_mode: of both warps, as in :meth:`cpabx.Transformation.warp`.

    Returns:
        A scalar.

    Raises:
        UnsupportedError: the family has no inverse.
        OptionError: it is none in 1D, or another argument is impossible.
        ShapeError, DtypeError, BackendMismatchError: the arguments do not fit each other.
    """
    batch, theta, sampling = _checked(series, theta, transformation, labels, mask, lengths, padding_mode)
    places = _places_back(batch, theta, transformation)
    means = _barycentres(batch, theta, transformation, sampling)
    back = batch.backend.sample(batch.backend.take(means, batch.index, axis=0), places, sampling)
    return batch.mean(batch.distances(back, batch.series, batch.weights))


def inverse_consistency_triplet(
    series: Tensor,
    theta: Tensor,
    transformation: Transformation,
    labels: Any,
    *,
    margin: float = 1.0,
    mask: Any = None,
    lengths: Any = None,
    padding_mode: str = "border",
) -> Tensor:
    """Asks that each original is closer to the barycentre of its class, warped back, than to those of others.

    Args:
        series: as in :func:`inverse_consistency`.
        theta: as in :func:`inverse_consistency`.
        transformation: as in :func:`inverse_consistency`.
        labels: (N,) classes, of which there are two or more.
        margin: by how much closer, in squares of the series' units: the mean of max(0, own - other + margin).
        mask: as in :func:`inverse_consistency`.
        lengths: as in :func:`inverse_consistency`.
        padding_mode: as in :func:`inverse_consistency`.

    Returns:
        A scalar.

    Raises:
        OptionError: one class alone, a margin that is none, or as in :func:`inverse_consistency`.
        UnsupportedError, ShapeError, DtypeError, BackendMismatchError: as in :func:`inverse_consistency`.
    """
    margin = positive("margin", margin, or_zero=True)
    batch, theta, sampling = _checked(series, theta, transformation, labels, mask, lengths, padding_mode, several=True)
    return batch.hinge(class_distances(batch, theta, transformation, sampling), margin)


def class_distances(batch: Batch, theta: Tensor, transformation: Transformation, sampling: Sampling) -> Tensor:
    """(N * K,) mean squared differences of each original and each class's barycentre, warped back."""
    places = batch.repeated(_places_back(batch, theta, transformation))
    means = batch.each_class(_barycentres(batch, theta, transformation, sampling))
    weights = None if batch.weights is None else batch.repeated(batch.weights)
    return batch.distances(batch.backend.sample(means, places, sampling), batch.repeated(batch.series), weights)


def _barycentres(batch: Batch, theta: Tensor, transformation: Transformation, sampling: Sampling) -> Tensor:
    size = (batch.size,)

    def aligned(series: Tensor) -> Tensor:
        lengths = batch.lengths
        if lengths is None:
            return transformation.warp_with(batch.backend, series, theta, sampling, size)
        places = series_places(
            transformation, batch.backend, theta, _grid(batch, transformation), lengths, resampled=True
        )
        return batch.backend.sample_series(series, places, lengths, sampling)

    if batch.weights is None:
        return batch.means(aligned(batch.series), None)
    series, weights = aligned(batch.series * batch.weights), aligned(batch.weights)
    some = weights > 0
    return batch.means(series / batch.backend.where(some, weights, weights * 0 + 1), weights)


def _places_back(batch: Batch, theta: Tensor, transformation: Transformation) -> Tensor:
    """(N, L, 1): where each sample of the originals lies in the barycentre."""
    grid = _grid(batch, transformation)
    if batch.lengths is None:
        return transformation.places(batch.backend, theta, grid, time=-1.0)
    return series_places(transformation, batch.backend, theta, grid, batch.lengths, resampled=False, time=-1.0)


def _grid(batch: Batch, transformation: Transformation) -> Any:
    return pixel_grid((batch.size,), False, transformation.domain)


def _checked(
    series: Tensor,
    theta: Tensor,
    transformation: Transformation,
    labels: Any,
    mask: Any,
    lengths: Any,
    padding_mode: str,
    *,
    several: bool = False,
) -> tuple[Batch, Tensor, Sampling]:
    if not isinstance(transformation, Transformation) or transformation.ndim != 1:
        raise OptionError("transformation must be a family of maps in 1D", shown(transformation), "Cpab((16,)).")
    if not transformation.has_inverse:
        raise UnsupportedError("inverse consistency needs a family with an inverse", repr(transformation), "Cpab has.")
    sampling = Sampling.checked("linear", padding_mode, False, 0, ndim=1, of_series=lengths is not None)
    batch = checked_batch(series, labels, mask, lengths, several=several, theta=theta)
    theta = batch.backend.asarray(theta, like=batch.series)
    if batch.backend.shape(theta)[:1] != (n := len(batch.index),):
        shape = batch.backend.shape(theta)
        raise ShapeError(f"theta must be ({n}, d), one for each series", f"shape {shape}", "Count the batch.")
    return batch, transformation.flat_theta(batch.backend, theta), sampling
