"""The covariance of a velocity prior at some vertices, without a factor of it at all vertices."""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

from cpabx.basis import NodalBasis, make_basis
from cpabx.basis.maps import frozen
from cpabx.priors.velocity import KERNELS
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept
from cpabx.transforms import Cpab

Array = NDArray[np.float64]
Index = NDArray[np.int64]

KERNEL = "matern52"
#: How many times larger than others affine fields may be, and the part of the variance that a vertex has by itself.
AFFINE, NUGGET = 100.0, 1e-6


class Geometry:
    """What the covariances of a family have in common, whatever their length scale."""

    def __init__(self, cpab: Cpab) -> None:
        self._tessellation = cpab.tessellation
        self.vertices = cpab.tessellation.vertices
        self.conditions = conditions(cpab)

    @property
    def distances(self) -> Array:
        """(V, V) between vertices."""
        return _distances(self._tessellation)

    @functools.cached_property
    def affine(self) -> Array:
        """(V, n + 1): a root of the covariance of affine fields, each component."""
        ones = np.ones((len(self.vertices), 1))
        functions = np.concatenate([ones, self.vertices - self.vertices.mean(axis=0)], axis=1)
        orthonormal = np.linalg.qr(functions)[0]
        return np.asarray(orthonormal * (AFFINE * math.sqrt(len(functions) / functions.shape[1])))

    @functools.cached_property
    def n_free(self) -> int:
        """How many affine fields the family has."""
        n = int(self.vertices.shape[1])
        refused = np.einsum("kvn,va->kna", self.conditions, self.affine / AFFINE).reshape(-1, n * (n + 1))
        return n * (n + 1) - (int(np.linalg.matrix_rank(refused, tol=1e-9)) if len(refused) else 0)


class Covariance:
    """Of :class:`cpabx.VelocityPrior`, with variance 1 and affine fields free.

    The velocities of a family are those of a Gaussian process under linear conditions, C V = 0: no velocity across a
    border, say. Its covariance is S = K - K C^T (C K C^T)^-1 C K, and few families have many conditions.

    Args:
        geometry: of the family.
        length_scale: in units of the domain.
    """

    def __init__(self, geometry: Geometry, length_scale: float) -> None:
        self.length_scale = length_scale
        self._geometry = geometry

    @property
    def is_alike(self) -> bool:
        """Whether all components have the same covariance, and none with each other."""
        return not len(self._geometry.conditions)

    def gram(self, jacobian: Array, some: Index) -> Array:
        """J S J^T (m, m), of J (m, t, n) at some t vertices."""
        kernel = self._whole[np.ix_(some, some)] if "_whole" in vars(self) else self._kernel(some)
        total = np.zeros((len(jacobian),) * 2)
        for axis in range(jacobian.shape[2]):
            component = np.ascontiguousarray(jacobian[:, :, axis])
            total += component @ kernel @ component.T
        if len(self._geometry.conditions):
            seen = _flat(jacobian) @ _flat(self._corrections[:, some]).T
            total -= seen @ seen.T
        return total

    def spread(self, forces: Array, some: Index) -> Array:
        """S times forces (t, n) on some vertices: velocities (V, n) at all."""
        velocity = self._whole[:, some] @ forces
        if len(self._geometry.conditions):
            along = _flat(self._corrections[:, some]) @ forces.reshape(-1)
            velocity -= np.tensordot(along, self._corrections, axes=1)
        return np.asarray(velocity)

    def _kernel(self, some: Index) -> Array:
        """K (t, t) at some vertices."""
        distances = self._geometry.distances[np.ix_(some, some)]
        affine = self._geometry.affine[some]
        kernel = KERNELS[KERNEL](distances / self.length_scale) + affine @ affine.T
        kernel[np.diag_indices(len(kernel))] += NUGGET
        return np.asarray(kernel)

    @functools.cached_property
    def _whole(self) -> Array:
        return self._kernel(np.arange(len(self._geometry.vertices)))

    @functools.cached_property
    def _corrections(self) -> Array:
        """W (k, V, n) of the covariance K - W^T W."""
        rows = self._geometry.conditions
        seen = np.einsum("kvn,vw->kwn", rows, self._whole, optimize=True)
        lower = np.linalg.cholesky(_flat(rows) @ _flat(seen).T)
        return np.asarray(np.linalg.solve(lower, _flat(seen)).reshape(rows.shape))


@kept(maxsize=2)
def _distances(tess: Tessellation) -> Array:
    squares = sum((x[:, None] - x) ** 2 for x in tess.vertices.T)
    return frozen(np.sqrt(squares))


def conditions(cpab: Cpab) -> Array:
    """C (k, V, n) of C V = 0, which the velocities of the family, and no others, meet."""
    tess, basis = cpab.tessellation, cpab.basis
    if not isinstance(basis, NodalBasis) and isinstance(cpab.config["basis"], str):
        basis = make_basis(tess, cpab.boundary, "nodal", volume_preserving=cpab.volume_preserving)
    if not isinstance(basis, NodalBasis):
        whole = np.linalg.qr(basis.matrix, mode="complete")[0]
        return np.asarray(whole[:, cpab.n_params :].T.reshape(-1, tess.n_vertices, tess.ndim))
    n_sums, places = len(basis.weight), np.argsort(basis.order, kind="stable")
    fixed = places[basis.n_params :]  # first the sums, then the zeros
    rows = np.zeros((len(fixed), len(basis.order)))
    rows[np.arange(len(fixed)), fixed] = 1
    np.subtract.at(rows, (np.arange(n_sums)[:, None], places[basis.index]), basis.weight)
    return rows.reshape(-1, tess.n_vertices, tess.ndim)


def _flat(rows: Array) -> Array:
    return rows.reshape(len(rows), -1)
