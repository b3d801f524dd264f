"""The covariance that smoothness of the matrices A_c from cell to cell gives to fields."""

from __future__ import annotations

import functools

import numpy as np

from cpabx.basis.affine_space import gram
from cpabx.basis.components import by_component
from cpabx.basis.geometry import barycentric
from cpabx.basis.maps import Array
from cpabx.errors import TessellationError
from cpabx.tessellation import Tessellation


def triangle(tess: Tessellation, fields: Array) -> Array:
    """(d, d) R of B = Q R, the columns of B being fields (V, n, d) in A-space.

    Raises:
        TessellationError: fields that depend on each other.
    """
    products = gram(tess, fields)
    try:
        upper = np.asarray(np.linalg.cholesky(products).T, np.float64)
    except np.linalg.LinAlgError:
        upper = np.zeros_like(products)
    if (upper.diagonal() <= 1e-7 * np.sqrt(products.diagonal())).any():
        raise TessellationError(
            "a prior needs a basis of independent fields",
            "one whose columns depend on each other",
            "Leave out the columns that are combinations of others.",
        )
    return upper


def smooth_covariance(tess: Tessellation, fields: Array, upper: Array, length_scale: float) -> Array:
    """(d, d) Q^T (K x 1) Q: K by the cells' centres, the same for all entries of A_c, and Q R = B as above."""
    projected = np.zeros_like(upper)
    for _, columns, block in by_component(fields, functools.partial(_along_an_axis, tess, length_scale)):
        projected[np.ix_(columns, columns)] += block
    half = np.linalg.solve(upper.T, projected)
    whole = np.asarray(np.linalg.solve(upper.T, half.T), np.float64)
    return (whole + whole.T) / 2


def _along_an_axis(tess: Tessellation, length_scale: float, fields: Array) -> Array:
    """B^T K B summed over the entries of a row of A_c, B (C, d) those of fields (V, d) along one axis."""
    coordinates, total = barycentric(tess), np.zeros((fields.shape[1], fields.shape[1]))
    for entry in range(tess.ndim + 1):
        rows = np.zeros((tess.n_cells, fields.shape[1]))
        for corner in range(tess.ndim + 1):
            rows += coordinates[:, corner, entry, None] * fields[tess.cell_vertices[:, corner]]
        for start in range(0, tess.n_cells, 512):  # all of K would be larger than the result
            part = slice(start, start + 512)
            total += rows[part].T @ (_kernel(tess, length_scale, part) @ rows)
    return total


def _kernel(tess: Tessellation, length_scale: float, part: slice) -> Array:
    """Rows of K, exp(-|x - y|^2 / (2 length_scale^2)) for centres x and y of cells."""
    centres = tess.vertices[tess.cell_vertices].mean(axis=1)
    squares = np.zeros((len(centres[part]), len(centres)))
    with np.errstate(over="ignore"):  # far apart is not correlated
        for axis in range(tess.ndim):
            squares += ((centres[part, None, axis] - centres[:, axis]) / length_scale) ** 2
    return np.asarray(np.exp(-squares / 2))
