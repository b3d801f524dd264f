"""The field of a family that is nearest to one that is given at pixels, by least squares; in numpy, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.basis import DenseBasis, NodalBasis
from cpabx.basis.geometry import corners_of
from cpabx.errors import OptionError, ShapeError
from cpabx.sampling import pixel_grid
from cpabx.sampling.layout import layout_of_field
from cpabx.tessellation import Tessellation
from cpabx.transforms.arguments import host_values

Array = NDArray[Any]

#: The normal equations of more parameters take minutes.
MOST_PARAMS = 2048

#: Steps of iterative refinement, for what the normal equations lose.
_REFINEMENTS = 3


def field_values(values: Array, weights: Any, ndim: int) -> tuple[Array, Array, tuple[int, ...]]:
    """A field (N, P, n), the weights (P,) of its pixels, and its size; all checked.

    Raises:
        ShapeError: it is no field of that many dimensions, or has no pixels; or weights of another size.
        OptionError: what is weighted is not finite; weights are negative, not finite, or all zero.
    """
    if values.ndim == ndim + 1:
        values = values[None]
    if values.ndim != ndim + 2 or values.shape[-1] != ndim or 0 in values.shape[1:]:
        raise ShapeError(
            f"field must be {layout_of_field(ndim)}, or without N, with at least one pixel",
            f"shape {values.shape}",
            "Put the components (x, y, z) last.",
        )
    size = values.shape[1:-1]
    weight = np.ones(size) if weights is None else host_values("weights", weights, "biuf").astype(np.float64)
    if weight.shape != size:
        raise ShapeError("weights must have the size of the field", f"{weight.shape} and {size}", "One for each pixel.")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any()):
        raise OptionError("weights must be finite, 0 or more, and not all 0", "others", "Pass a mask, for instance.")
    field = np.where(weight[..., None] > 0, values, 0).astype(np.float64)
    if not np.isfinite(field).all():
        raise OptionError("field must be finite", "NaN or infinity", "Pass weights of 0 where it is not known.")
    return field.reshape(len(field), weight.size, ndim), weight.reshape(-1), size


def nearest_theta(
    tess: Tessellation,
    basis: DenseBasis | NodalBasis,
    field: Array,
    weights: Array,
    size: tuple[int, ...],
    align_corners: bool,
    ridge: float,
) -> Array:
    """(N, d): argmin of sum_i w_i |v(x_i) - field_i|^2 + ridge |theta|^2, the shortest if there are several."""
    n, n_vertices = tess.ndim, tess.n_vertices
    # The largest weight and the largest velocity of each item become 1, so that no product of theirs overflows.
    unit = max(weights.max(), ridge)
    weights, ridge = weights / unit, ridge / unit
    largest = np.abs(field).max(axis=(1, 2))
    largest = np.where(largest > 0, largest, 1)
    field = field / largest[:, None, None]
    unit = Tessellation(tess.cells)  # the same vertices, near the origin
    index, share = corners_of(unit, pixel_grid(size, align_corners, unit.domain).points)
    matrix = basis.to_dense().matrix  # (V n, d)
    pairs = (index[:, :, None] * n_vertices + index[:, None]).reshape(-1)
    products = (weights[:, None, None] * share[:, :, None] * share[:, None]).reshape(-1)
    overlaps = np.bincount(pairs, products, n_vertices**2).reshape(n_vertices, n_vertices)
    by_axis = matrix.reshape(n_vertices, n, -1)
    gram = ridge * np.eye(matrix.shape[1])
    for axis in range(n):
        gram += by_axis[:, axis].T @ (overlaps @ by_axis[:, axis])

    def pulled_back(residual: Array) -> Array:
        """(N, d): the transposed design matrix, times the weighted residuals (N, P, n)."""
        weighted = (weights * np.moveaxis(residual, -1, 1))[..., None] * share  # N, n, P, n + 1
        sums = [[np.bincount(index.reshape(-1), part.reshape(-1), n_vertices) for part in item] for item in weighted]
        at_vertices = np.moveaxis(np.array(sums).reshape(len(field), n, n_vertices), 1, -1)
        return np.asarray(at_vertices.reshape(len(field), n * n_vertices) @ matrix)

    solve, theta = _solver(gram), np.zeros((len(field), matrix.shape[1]))
    for _ in range(1 + _REFINEMENTS):
        velocity = (theta @ matrix.T).reshape(len(field), n_vertices, n)
        at_pixels = np.einsum("npkc,pk->npc", velocity[:, index], share)
        theta = theta + solve(pulled_back(field - at_pixels) - ridge * theta)
    return np.asarray(theta * largest[:, None])


def _solver(gram: Array) -> Callable[[Array], Array]:
    """Solves for rows; where the pixels do not see all parameters, with the shortest."""
    values, vectors = np.linalg.eigh(gram)
    seen = values > max(len(values), 100) * np.finfo(np.float64).eps * values.max(initial=0)
    vectors, values = vectors[:, seen], values[seen]
    return lambda rows: np.asarray(((rows @ vectors) / values) @ vectors.T)
