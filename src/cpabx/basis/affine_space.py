"""Between velocities at vertices and the matrices A_c, v(x) = A_c [x; 1]: the paper's A-space."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from cpabx.basis.components import by_component
from cpabx.basis.geometry import barycentric, sides, touching, widths
from cpabx.basis.maps import Array, DenseBasis, NodalBasis
from cpabx.errors import CpabxError, TessellationError, shown
from cpabx.tessellation import Tessellation


def to_affine(tess: Tessellation, matrix: Array) -> Array:
    """The matrices A_c of fields with vertex velocities ``matrix`` (V n, d), or some m components of them.

    Returns (C n (n + 1), d): per cell the rows of A_c, or those of the components.
    """
    m, d = len(matrix) // tess.n_vertices, matrix.shape[1]
    at_corners = matrix.reshape(tess.n_vertices, m, d)[tess.cell_vertices]  # C, n + 1, m, d
    return np.asarray(np.einsum("cka,ckid->ciad", barycentric(tess), at_corners)).reshape(-1, d)


def hat_products(tess: Tessellation) -> tuple[Array, Array, float]:
    """Inner products in A-space of the fields along one axis that are 1 at one vertex: (V, V), mostly zeros.

    Returns them, and (V,) those with the field that is 1 everywhere, both times the square of a number that keeps them
    from overflow, and that number.
    """
    coordinates, corners = barycentric(tess), tess.cell_vertices
    scale = 1 / np.abs(coordinates).max()
    coordinates *= scale
    local = coordinates @ np.swapaxes(coordinates, -1, -2)  # C, n + 1, n + 1
    k, n = corners.shape[1], tess.n_vertices
    pairs = (np.repeat(corners, k, axis=1) * n + np.tile(corners, k)).ravel()
    products = np.bincount(pairs, local.ravel(), minlength=n * n).reshape(n, n)
    # A constant field has slopes of zero; the sum of those of its hats would be rounding, and large in a small domain.
    with_one = np.bincount(corners.ravel(), coordinates[:, :, -1].ravel() * scale, minlength=n)
    return np.asarray(products, np.float64), np.asarray(with_one, np.float64), float(scale)


def gram(tess: Tessellation, fields: Array) -> Array:
    """(d, d) inner products in A-space of fields (V, m, d), m components of each."""
    total = np.zeros((fields.shape[2], fields.shape[2]))
    for _, columns, products in by_component(fields, functools.partial(_gram, tess)):
        total[np.ix_(columns, columns)] += products
    return total


def _gram(tess: Tessellation, fields: Array) -> Array:
    """The Gram matrix (d, d) of fields (V, d) along one axis."""
    coordinates, d = np.swapaxes(barycentric(tess), -1, -2), fields.shape[1]
    total = np.zeros((d, d))
    step = max(1, 2**21 // ((tess.ndim + 1) * d))  # so that no more than 16 MiB of A-space exist at once
    for start in range(0, tess.n_cells, step):
        cells = slice(start, start + step)
        rows = np.matmul(coordinates[cells], fields[tess.cell_vertices[cells]]).reshape(-1, d)
        total += rows.T @ rows
    return total


def from_affine(tess: Tessellation, basis: Any) -> DenseBasis:
    """Vertex velocities of a basis (C n (n + 1), d) in A-space, which must be continuous."""
    from cpabx.transforms.arguments import host_values

    n, n_rows = tess.ndim, tess.n_cells * tess.ndim * (tess.ndim + 1)
    try:
        values = host_values("basis", basis).astype(np.float64)
    except CpabxError:
        values = np.zeros(0)
    finite = np.isfinite(values).all()
    if values.ndim != 2 or values.shape[0] != n_rows or values.size == 0 or not finite:
        raise TessellationError(
            f"basis must be a finite array ({n_rows}, d) for cells {tess.cells}: n (n + 1) numbers per simplex",
            shown(basis) if values.ndim != 2 else f"shape {values.shape}{'' if finite else ', not finite'}",
            "Check its cell order and orientation; columns are basis fields.",
        )
    d = values.shape[1]
    matrices = values.reshape(tess.n_cells, n, n + 1, d)
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    at_corners = np.einsum("ciad,cka->ckid", matrices, homogeneous).reshape(tess.cell_vertices.size, n, d)
    index = tess.cell_vertices.reshape(-1)
    total = np.zeros((tess.n_vertices, n, d))
    np.add.at(total, index, at_corners)
    mean = total / np.bincount(index)[:, None, None]
    jump, size = np.abs(at_corners - mean[index]).max(initial=0), np.abs(at_corners).max(initial=0)
    if jump > 1e-4 * size:  # peers store float32
        raise TessellationError(
            "basis fields must be continuous across cells",
            f"velocities at shared vertices that differ by {jump:.1e} of {size:.1e}",
            "Check the order of its cells and rows, and the domain.",
        )
    return DenseBasis(mean.reshape(tess.n_vertices * n, d))


def continues_linearly(tess: Tessellation, basis: DenseBasis | NodalBasis) -> bool:
    """Whether all fields of a basis have one outward derivative per side."""
    fields = basis.to_dense().matrix.reshape(tess.n_vertices, -1)
    tolerance = 1e-4 * np.abs(fields).max(initial=0)
    for axis, on_side in sides(tess):
        cells = touching(tess, on_side)
        slopes = barycentric(tess, cells)[:, :, axis] * widths(tess)[axis]
        derivatives = np.einsum("ck,ckf->cf", slopes, fields[tess.cell_vertices[cells]])
        if np.abs(derivatives - derivatives[0]).max(initial=0) > tolerance:
            return False
    return True
