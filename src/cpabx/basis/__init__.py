"""From theta to vertex velocities: V = N theta, for every boundary and parametrisation.

A continuous piecewise-affine field is its velocities at the vertices, so continuity needs no
constraints. What the boundary asks for is linear in the velocities, and its null space has a natural
sparse basis: solve the constraints for some of the components (the dependent ones) in terms of the
others (the free ones, which are theta). The paper's basis (orthonormal in the space of the matrices
A_c, Freifeld et al. 2017) is that basis after Gram-Schmidt: unique, hence the same on every machine,
which a null space from an SVD is not. Times the root of the number of cells it is orthonormal in the mean over the
cells, not in their sum: theta then has one meaning on coarse and fine tessellations.
"""

from __future__ import annotations

import math
from typing import Any

from cpabx.basis.affine_space import continues_linearly, from_affine, to_affine
from cpabx.basis.constraints import BOUNDARIES
from cpabx.basis.incompressible import incompressible_basis
from cpabx.basis.maps import DenseBasis, NodalBasis, check_dense
from cpabx.basis.nodal import nodal_basis
from cpabx.basis.orthonormal import orthonormal_basis
from cpabx.errors import OptionError, shown
from cpabx.options import one_of
from cpabx.tessellation import Tessellation

BASES = ("orthonormal", "normalized", "nodal")


def make_basis(
    tess: Tessellation, boundary: str, kind: Any, *, volume_preserving: bool = False
) -> DenseBasis | NodalBasis:
    """The basis of the fields with this boundary; ``kind`` as in :class:`cpabx.Cpab`.

    Raises:
        OptionError: unknown boundary or kind.
        TessellationError: an array that is not a basis of continuous fields, or a dense basis that would be too large.
    """
    one_of("boundary", boundary, BOUNDARIES)
    if not isinstance(kind, str):
        return from_affine(tess, kind)
    if kind not in BASES:
        raise OptionError(f"basis must be one of {', '.join(BASES)}, or an array", shown(kind), "Choose one of them.")
    sparse = nodal_basis(tess, boundary)
    nodal = incompressible_basis(tess, sparse) if volume_preserving else sparse
    if kind == "nodal":
        return nodal
    check_dense(tess.n_vertices * tess.ndim, nodal.n_params)
    orthonormal = orthonormal_basis(tess, nodal)
    return orthonormal if kind == "orthonormal" else DenseBasis(math.sqrt(tess.n_cells) * orthonormal.matrix)


__all__ = [
    "BASES",
    "BOUNDARIES",
    "DenseBasis",
    "NodalBasis",
    "continues_linearly",
    "from_affine",
    "make_basis",
    "nodal_basis",
    "to_affine",
]
