"""The field of a family, carried over to another tessellation of the domain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cpabx.backend import Backend, Tensor
from cpabx.basis.geometry import corners_of
from cpabx.basis.maps import frozen
from cpabx.errors import OptionError, shown
from cpabx.tessellation import Tessellation
from cpabx.tracing import kept

if TYPE_CHECKING:
    from cpabx.transforms.cpab import Cpab

Cells = tuple[int, ...]


def check_finer(coarse: Cpab, finer: Any) -> None:
    """Raises OptionError if there is no carrying a field of ``coarse`` over to ``finer``."""
    if not hasattr(finer, "tessellation"):
        raise OptionError("finer must be a cpabx.Cpab", shown(finer), "Pass the transformation.")
    if finer.domain != coarse.domain:
        raise OptionError(
            "finer must have the same domain", f"{finer.domain} beside {coarse.domain}", f"Pass domain={coarse.domain}."
        )


def carried_over(backend: Backend, velocity: Tensor, cells: Cells, finer: Cpab) -> Tensor:
    """(N, d) parameters of ``finer`` from velocities (N, V, n) at the vertices of these cells of its domain."""
    tess = finer.tessellation
    index, share = _places(cells, tess.cells)
    shares = backend.take(velocity, index, axis=1) * backend.constant(share, like=velocity)
    by_corner = backend.reshape(shares, (-1, tess.n_vertices, tess.ndim + 1, tess.ndim))
    flat = backend.reshape(backend.sum(by_corner, axis=2), (-1, tess.n_vertices * tess.ndim))
    return finer.basis.coordinates(backend, flat)


@kept(16)
def _places(cells: Cells, finer: Cells) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Where each vertex of the finer tessellation lies: (V (n + 1),) vertices of the others, and (V (n + 1), 1) shares.

    Of any domain, as both have the same.
    """
    index, share = corners_of(Tessellation(cells), Tessellation(finer).vertices)
    return frozen(index.reshape(-1)), frozen(share.reshape(-1, 1))
