"""The paper's basis: columns orthonormal in A-space, from nodal ones by Gram-Schmidt."""

from __future__ import annotations

import contextlib

import numpy as np

from cpabx.basis.affine_space import gram, to_affine
from cpabx.basis.components import by_component
from cpabx.basis.maps import Array, DenseBasis, NodalBasis
from cpabx.errors import TessellationError
from cpabx.tessellation import Tessellation


def orthonormal_basis(tess: Tessellation, nodal: DenseBasis | NodalBasis) -> DenseBasis:
    """The basis that Gram-Schmidt makes of the columns of another, in their order, with positive factors.

    Raises:
        TessellationError: a domain so far from the origin that A_c [x; 1] is lost in rounding.
    """
    matrix = nodal.to_dense().matrix
    fields = matrix.reshape(tess.n_vertices, tess.ndim, nodal.n_params)
    if isinstance(nodal, DenseBasis):
        return DenseBasis(_gram_schmidt(tess, fields).reshape(matrix.shape))
    # Every nodal field moves along one axis, and such fields of different axes are orthogonal already.
    result = np.zeros_like(fields)
    for axis, columns, made in by_component(fields, lambda block: _gram_schmidt(tess, block[:, None])[:, 0]):
        result[:, axis, columns] = made
    return DenseBasis(result.reshape(matrix.shape))


def _gram_schmidt(tess: Tessellation, fields: Array) -> Array:
    """Orthonormal fields (V, m, d) in A-space: V R^-1, where R is the Cholesky factor of the Gram matrix.

    Rounding leaves products of size (condition of the fields)^2 eps, which another pass removes.
    """
    identity, flat = np.eye(fields.shape[2]), (fields.shape[0] * fields.shape[1], fields.shape[2])
    with contextlib.suppress(np.linalg.LinAlgError):
        for _ in range(5):
            products = gram(tess, fields)
            error = np.abs(products - identity).max(initial=0)
            upper = _triangle(tess, fields, products)
            columns = np.linalg.solve(upper.T, fields.reshape(flat).T).T
            fields = np.asarray(columns, np.float64).reshape(fields.shape)
            if error < 1e-3:  # the pass just made leaves error * eps
                return fields
    raise TessellationError(
        "an orthonormal basis needs a domain near the origin, compared with its size",
        f"domain={tess.domain}",
        "Move the domain, or use basis='nodal'.",
    )


def _triangle(tess: Tessellation, fields: Array, products: Array) -> Array:
    """R with R^T R = products, and a positive diagonal."""
    try:
        return np.asarray(np.linalg.cholesky(products).T, np.float64)
    except np.linalg.LinAlgError:  # rounding made it indefinite: ask the fields themselves
        upper = np.linalg.qr(to_affine(tess, fields.reshape(-1, len(products))), mode="r")
        signs = np.where(np.diag(upper) < 0, -1.0, 1.0)  # which LAPACK leaves open
        return np.asarray(upper * signs[:, None], np.float64)
