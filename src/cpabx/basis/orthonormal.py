"""The paper's basis: columns orthonormal in A-space, from nodal ones by Gram-Schmidt."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from cpabx.basis.affine_space import HatProducts, gram, to_affine
from cpabx.basis.maps import Array, DenseBasis, NodalBasis
from cpabx.basis.triangular import inverse_of_lower, lower_product, subtract_product
from cpabx.errors import TessellationError
from cpabx.tessellation import Tessellation

#: Products of other sizes than this, where 1 and 0 are right, are better made from the fields themselves.
_NEGLIGIBLE = 1e-10


def orthonormal_basis(tess: Tessellation, nodal: DenseBasis | NodalBasis) -> DenseBasis:
    """The basis that Gram-Schmidt makes of the columns of another, in their order, with positive factors.

    Raises:
        TessellationError: a domain so far from the origin that A_c [x; 1] is lost in rounding.
    """
    if isinstance(nodal, DenseBasis):
        fields = nodal.matrix.reshape(tess.n_vertices, tess.ndim, nodal.n_params)
        return DenseBasis(_gram_schmidt(tess, fields).reshape(nodal.matrix.shape))
    # Every nodal field moves along one axis, and such fields of different axes are orthogonal already.
    result = np.zeros((nodal.n_params, tess.n_vertices, tess.ndim))
    made: list[tuple[NodalBasis, Array]] = []
    for axis in range(tess.ndim):
        columns, own = nodal.along(axis, tess.ndim)
        if not any(_alike(own, other) for other, _ in made):
            made.append((own, _along_an_axis(tess, own)))
        result[columns, :, axis] = next(fields for other, fields in made if _alike(own, other))
    return DenseBasis(result.reshape(nodal.n_params, tess.n_vertices * tess.ndim).T)


def _alike(a: NodalBasis, b: NodalBasis) -> bool:
    return all(np.array_equal(x, y) for x, y in ((a.order, b.order), (a.index, b.index), (a.weight, b.weight)))


def _along_an_axis(tess: Tessellation, nodal: NodalBasis) -> Array:
    """(d, V) orthonormal fields along one axis.

    T V, where V are the nodal fields and T the inverse of the lower Cholesky factor of their products. These are few,
    and what rounding left of products of the result is removed, unless the domain leaves too much of it.
    """
    from cpabx.numpy_backend import NumpyBackend

    if nodal.n_params == 0:
        return np.zeros((0, tess.n_vertices))
    products = HatProducts(tess)
    to_fields = functools.partial(nodal.velocity, NumpyBackend())
    with contextlib.suppress(np.linalg.LinAlgError):
        lower = np.linalg.cholesky(nodal.pull_back(nodal.pull_back(products.dense()).T))
        inverse = inverse_of_lower(np.asarray(lower, np.float64))
        del lower
        error = lower_product(nodal.pull_back(products.times(to_fields(inverse))), inverse)
        error[np.diag_indices_from(error)] -= 1
        if np.abs(error).max() < _NEGLIGIBLE:
            error[np.diag_indices_from(error)] /= 2
            subtract_product(error, inverse)
            return np.asarray(to_fields(inverse), np.float64)
    fields = to_fields(np.eye(nodal.n_params)).T
    return _gram_schmidt(tess, fields[:, None])[:, 0].T


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
