"""The paper's basis: columns orthonormal in A-space, from nodal ones by Gram-Schmidt."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from cpabx.basis.affine_space import gram, hat_products, to_affine
from cpabx.basis.maps import Array, DenseBasis, NodalBasis
from cpabx.basis.triangular import inverse_of_lower, lower_product, subtract_product
from cpabx.errors import TessellationError
from cpabx.tessellation import Tessellation

#: Products of other sizes than this, where 1 and 0 are right, are better made from the fields themselves.
_NEGLIGIBLE = 1e-10

#: One over the largest slope of a hat from which on a domain is small.
_SMALL = 1e-3


def orthonormal_basis(tess: Tessellation, nodal: DenseBasis | NodalBasis) -> DenseBasis:
    """The basis that Gram-Schmidt makes of the columns of another, in their order, with positive factors.

    Raises:
        TessellationError: a domain so far from the origin that A_c [x; 1] is lost in rounding; or one so small that
            velocities are, unless the other basis is nodal.
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

    T V, where V are the nodal fields and T the inverse of the lower Cholesky factor of their products. What rounding
    left of products of the result is removed, unless the domain leaves too much of it.

    In a small domain slopes count much more than velocities. There the constant field, which alone has no slope, takes
    the place of the last of the fields whose sum it is: that changes nothing of the result but rounding.
    """
    from cpabx.numpy_backend import NumpyBackend

    if nodal.n_params == 0:
        return np.zeros((0, tess.n_vertices))
    to_fields = functools.partial(nodal.velocity, NumpyBackend())
    with contextlib.suppress(np.linalg.LinAlgError):
        products, with_one, scale = hat_products(tess)
        constant = scale < _SMALL and bool((to_fields(np.ones((1, nodal.n_params))) == 1).all())
        products = nodal.pull_back(nodal.pull_back(products).T)
        if constant:
            products[-1] = products[:, -1] = nodal.pull_back(with_one[None])[0]
            products[-1, -1] = tess.n_cells * scale**2
        inverse = inverse_of_lower(np.asarray(np.linalg.cholesky(products), np.float64))
        error = lower_product(inverse @ products, inverse)
        del products
        error[np.diag_indices_from(error)] -= 1
        if np.abs(error).max() < _NEGLIGIBLE:
            error[np.diag_indices_from(error)] /= 2
            subtract_product(error, inverse)
            if constant:
                inverse[-1, :-1] += inverse[-1, -1]
            return np.asarray(scale * to_fields(inverse), np.float64)
    fields = to_fields(np.eye(nodal.n_params)).T
    return _gram_schmidt(tess, fields[:, None])[:, 0].T


def _gram_schmidt(tess: Tessellation, fields: Array) -> Array:
    """Orthonormal fields (V, m, d) in A-space: V R^-1, where R is the Cholesky factor of the Gram matrix.

    Rounding leaves products of size (condition of the fields)^2 eps, which another pass removes.
    """
    identity, flat = np.eye(fields.shape[2]), (fields.shape[0] * fields.shape[1], fields.shape[2])
    with contextlib.suppress(np.linalg.LinAlgError), np.errstate(over="ignore", invalid="ignore"):
        for _ in range(5):
            products = gram(tess, fields)
            error = np.abs(products - identity).max(initial=0)
            upper = _triangle(tess, fields, products)
            columns = np.linalg.solve(upper.T, fields.reshape(flat).T).T
            fields = np.asarray(columns, np.float64).reshape(fields.shape)
            if error < 1e-3:  # the pass just made leaves error * eps
                return fields
    raise TessellationError(
        "an orthonormal basis needs a domain near the origin, compared with its size, and none so small that "
        "velocities are lost beside slopes",
        f"domain={tess.domain}",
        "Move or scale the domain, or use basis='nodal'.",
    )


def _triangle(tess: Tessellation, fields: Array, products: Array) -> Array:
    """R with R^T R = products, and a positive diagonal."""
    try:
        return np.asarray(np.linalg.cholesky(products).T, np.float64)
    except np.linalg.LinAlgError:  # rounding made it indefinite: ask the fields themselves
        upper = np.linalg.qr(to_affine(tess, fields.reshape(-1, len(products))), mode="r")
        signs = np.where(np.diag(upper) < 0, -1.0, 1.0)  # which LAPACK leaves open
        return np.asarray(upper * signs[:, None], np.float64)
