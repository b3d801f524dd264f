"""An approximation of the Hessian: what images and the prior say about fields, before any map is computed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx.basis.geometry import corners_of
from cpabx.basis.maps import frozen
from cpabx.errors import MissingPackageError
from cpabx.sampling.grid import pixel_grid
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept
from cpabx.transforms import Cpab

Array = NDArray[np.float64]


class Curvature:
    """Approximate inverse Hessians of N problems, each a Cholesky factor in float64.

    That of a term: near the identity, a field v moves the point x by v(x), and the image there changes by its gradient
    times that. So the Hessian of a mean of squares is that of (gradient . v)^2, a sparse matrix of each pair of
    vertices of a cell.

    Args:
        family: with a nodal basis.
        images: (N, H, W, C), or likewise in 1D and 3D, whose gradients are taken.
        weights: (N, H, W), by which squared differences are multiplied in the loss, which is their mean.
        fixed_part: (d, d), the Hessian of what is the same for all.
    """

    def __init__(self, family: Cpab, images: Array, weights: Array, fixed_part: Array) -> None:
        linalg = _scipy_linalg()
        size = images.shape[1:-1]
        ndim, n_vertices = len(size), family.tessellation.n_vertices
        (first, second), sums = _pairs(family.tessellation.cells, size)
        basis = np.asarray(family.basis.to_dense().matrix)
        choice = selection(basis)
        self._factors = []
        widths = [(high - low) / n for (low, high), n in zip(family.domain, size[::-1], strict=True)]
        for image, weight in zip(images, weights, strict=True):
            slopes = [
                (np.gradient(image, axis=ndim - 1 - i) / widths[i]).reshape(-1, image.shape[-1])
                if size[ndim - 1 - i] > 1
                else np.zeros((math.prod(size), image.shape[-1]))
                for i in range(ndim)
            ]
            per_pixel = (weight.reshape(-1) * (2 / (math.prod(size) * image.shape[-1])))[:, None]
            axes = [(i, j) for i in range(ndim) for j in range(i + 1)]
            terms = sums @ np.stack([(slopes[i] * slopes[j] * per_pixel).sum(axis=1) for i, j in axes], axis=1)
            hessian = np.zeros((n_vertices, ndim, n_vertices, ndim))
            for (i, j), term in zip(axes, terms.T, strict=True):
                for a, b in ((first, second), (second, first)):
                    hessian[a, i, b, j] = hessian[a, j, b, i] = term
            dense = hessian.reshape(n_vertices * ndim, n_vertices * ndim)
            own = dense[np.ix_(choice, choice)] if choice is not None else basis.T @ dense @ basis
            self._factors.append(_factor(linalg, own + fixed_part))
        self._get_blas_funcs = linalg.get_blas_funcs

    def __call__(self, gradient: Array, items: NDArray[np.int64]) -> Array:
        """The gradients (n, d) of these items, times the inverse Hessians."""
        solved = [self._solved(self._factors[item], row) for item, row in zip(items, gradient, strict=True)]
        return np.array(solved).reshape(gradient.shape)

    def _solved(self, factor: NDArray[Any], row: Array) -> NDArray[Any]:
        """By two triangular solvers for one vector: those for many, in cho_solve, take four times as long."""
        (trsv,) = self._get_blas_funcs(("trsv",), (factor,))
        half = trsv(factor, row.astype(factor.dtype), lower=1)
        return np.asarray(trsv(factor, half, lower=1, trans=1, overwrite_x=1))


def _factor(linalg: Any, matrix: Array) -> NDArray[Any]:
    """A Cholesky factor; in float32 where that will do, as it is for guesses."""
    try:
        return np.asarray(linalg.cholesky(matrix.astype(np.float32), lower=True, overwrite_a=True, check_finite=False))
    except linalg.LinAlgError:
        more = matrix + np.eye(len(matrix)) * (1e-10 * np.trace(matrix) / max(len(matrix), 1))
        return np.asarray(linalg.cholesky(more, lower=True, overwrite_a=True, check_finite=False))


def _pairs(cells: tuple[int, ...], size: tuple[int, ...]) -> tuple[NDArray[np.int64], Any]:
    """Each two corners of one cell, in order, (2, m); and the sparse matrix, (m, P), of the products of their shares in
    pixels.

    Of any domain: pixels and cells have the same places in all.
    """
    import scipy.sparse

    pairs, *parts = _sparse_pairs(cells, size)
    return pairs, scipy.sparse.csr_matrix(tuple(parts), shape=(pairs.shape[1], math.prod(size)))


@kept(16)
def _sparse_pairs(
    cells: tuple[int, ...], size: tuple[int, ...]
) -> tuple[NDArray[np.int64], Array, NDArray[np.int64], NDArray[np.int64]]:
    """The pairs, and the matrix: its numbers, the pixels they belong to, and where rows begin."""
    tess = Tessellation(cells)
    vertices, shares = corners_of(tess, pixel_grid(size, False, tess.domain).points)
    order = np.argsort(vertices, axis=1)
    vertices, shares = np.take_along_axis(vertices, order, 1), np.take_along_axis(shares, order, 1)
    a, b = np.triu_indices(vertices.shape[1])
    numbers = (vertices[:, a] * tess.n_vertices + vertices[:, b]).reshape(-1)
    pairs, rows, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    by_row = np.argsort(rows.reshape(-1), kind="stable")
    starts = np.concatenate([[0], np.cumsum(counts)])
    products = (shares[:, a] * shares[:, b]).reshape(-1)
    both = np.stack([pairs // tess.n_vertices, pairs % tess.n_vertices])
    return frozen(both), frozen(products[by_row]), frozen(by_row // len(a)), frozen(starts)


def selection(basis: Array) -> NDArray[np.int64] | None:
    """Which component each parameter is, if it is one."""
    if ((basis != 0).sum(axis=0) == 1).all() and (basis.max(axis=0) == 1).all():
        return np.asarray(basis.argmax(axis=0), np.int64)
    return None


def _scipy_linalg() -> Any:
    try:
        import scipy.linalg
    except ImportError as error:
        raise MissingPackageError("register needs scipy", "none", "Run: pip install cpabx[align]") from error
    return scipy.linalg
