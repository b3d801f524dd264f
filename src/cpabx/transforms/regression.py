"""The field of a family that is nearest to velocities at pixels or points, by least squares; in numpy, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.basis import DenseBasis, NodalBasis
from cpabx.basis.geometry import barycentric, corners_of, sides, touching
from cpabx.errors import OptionError, ShapeError
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


def point_values(points: Array, values: Array, weights: Any, ndim: int) -> tuple[Array, Array, Array]:
    """Points and velocities (1 or N, P, n), and weights (1 or N, P), of which those of weight 0 are any; all checked.

    Raises:
        ShapeError: they are no such arrays, or do not fit each other.
        OptionError: what is weighted is not finite; weights are negative, not finite, or all zero.
    """
    points, values = (array[None] if array.ndim == 2 else array for array in (points, values))
    if not all(array.ndim == 3 and array.shape[2] == ndim for array in (points, values)):
        raise ShapeError(
            f"points and velocities must be (P, {ndim}) or (N, P, {ndim})",
            f"shapes {points.shape} and {values.shape}",
            f"The last axis has the {ndim} coordinates.",
        )
    weight = np.ones((1, points.shape[1])) if weights is None else host_values("weights", weights, "biuf")
    weight = (weight[None] if weight.ndim == 1 else weight).astype(np.float64)
    given = [array.shape[:2] for array in (points, values, weight)]
    several = {shape[0] for shape in given if len(shape) == 2 and shape[0] != 1}
    if weight.ndim != 2 or len(several) > 1 or len({shape[1] for shape in given}) > 1:
        raise ShapeError(
            "points, velocities and weights must have one P, and one N or N = 1",
            f"shapes {points.shape}, {values.shape} and {weight.shape}",
            "Pass a velocity for each point, and a weight.",
        )
    if points.shape[1] == 0:
        raise ShapeError("fit_velocity needs points", f"shape {points.shape}", "Pass one point at least.")
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.any(axis=1).all()):
        raise OptionError("weights must be finite, 0 or more, and not all 0", "others", "Pass a mask, for instance.")
    seen = weight[:, :, None] > 0
    if not (np.isfinite(np.where(seen, points, 0)).all() and np.isfinite(np.where(seen, values, 0)).all()):
        raise OptionError(
            "points and velocities must be finite", "NaN or infinity", "Pass weights of 0 where they are not known."
        )
    everywhere = np.isfinite(points)
    values = np.where(seen, values, 0).astype(np.float64)
    return np.where(everywhere, points, 0).astype(np.float64), values, weight


def nearest_theta_at_points(
    tess: Tessellation, basis: DenseBasis | NodalBasis, points: Array, values: Array, weights: Array, ridge: float
) -> Array:
    """(N, d): as :func:`nearest_theta`, of points (1 or N, P, n), values (1 or N, P, n) and weights (1 or N, P)."""
    if len(points) == len(weights) == 1:
        return nearest_theta(tess, basis, values, weights[0], *places_of(tess, points[0]), ridge)
    n = next((len(array) for array in (points, values, weights) if len(array) != 1), 1)
    points, values, weights = (np.broadcast_to(a, (n, *a.shape[1:])) for a in (points, values, weights))
    each = zip(points, values, weights, strict=True)
    solved = [nearest_theta(tess, basis, v[None], w, *places_of(tess, p), ridge) for p, v, w in each]
    return np.concatenate(solved) if solved else np.zeros((0, basis.n_params))


def places_of(tess: Tessellation, points: Array) -> tuple[NDArray[np.int64], Array]:
    """(P, K) vertices, and their shares in the velocity at points (P, n), also outside of the domain.

    There it is that at the nearest point of the domain, and with linear continuation so much of the outward derivative
    of a side, which is that of any cell there, as the point is beyond it.
    """
    unit, width = Tessellation(tess.cells), (tess.upper - tess.lower) / 2
    places = (points - tess.lower) / width - 1  # near the origin, where the same vertices of `unit` are
    within = np.clip(places, -1, 1)
    index, share = corners_of(unit, within)
    beyond = places - within
    if tess.outside != "linear" or not beyond.any():
        return index, share
    indices, shares, everywhere = [index], [share], np.zeros(len(points), np.int64)
    for axis, on_side in sides(unit):
        cell = touching(unit, on_side)[:1]
        upper = unit.vertices[on_side][0, axis] > 0
        excess = np.maximum(beyond[:, axis], 0) if upper else np.minimum(beyond[:, axis], 0)
        indices.append(unit.cell_vertices[cell][everywhere])
        shares.append(excess[:, None] * barycentric(unit, cell)[0, :, axis])
    return np.concatenate(indices, axis=1), np.concatenate(shares, axis=1)


def nearest_theta(
    tess: Tessellation,
    basis: DenseBasis | NodalBasis,
    field: Array,
    weights: Array,
    index: NDArray[np.int64],
    share: Array,
    ridge: float,
) -> Array:
    """(N, d): argmin of sum_i w_i |v(x_i) - field_i|^2 + ridge |theta|^2, the shortest if there are several.

    v(x_i) is the sum of ``share`` (P, K) times the velocities at vertices ``index`` (P, K).
    """
    n, n_vertices = tess.ndim, tess.n_vertices
    # The largest weight and the largest velocity of each item become 1, so that no product of theirs overflows.
    unit = max(weights.max(), ridge)
    weights, ridge = weights / unit, ridge / unit
    largest = np.abs(field).max(axis=(1, 2))
    largest = np.where(largest > 0, largest, 1)
    field = field / largest[:, None, None]
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
