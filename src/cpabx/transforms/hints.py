"""What may have been meant by a theta of another shape."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from cpabx.basis import BOUNDARIES, make_basis
from cpabx.tessellation import Tessellation
from cpabx.transforms.family import Family

#: Tessellations and grids of control points that are tried: as many cells along every axis.
_MOST_CELLS = {1: 32, 2: 10, 3: 4}

#: Families that are named, at most.
_MOST_NAMED = 3


def shape_hint(family: Family, shape: tuple[int | None, ...], forms: tuple[tuple[int, ...], ...] = ()) -> str:
    """How to come from a shape that theta has to (N, d), or which family has as many numbers.

    ``forms`` are the shapes of one map's theta, besides (d,), that the family takes.
    """
    d = family.n_params
    if shape in ((d,), *forms):
        return "Add a batch axis, theta[None]."
    n, rest = (shape[0], shape[1:]) if len(shape) > 2 else (None, shape)
    sizes = [size for size in rest if size is not None]
    if len(shape) > 1 and len(sizes) == len(rest) and math.prod(sizes) == d > 0:
        if n is None:
            return f"If these are the {d} numbers of one map, theta.reshape(1, {d})."
        return f"If the first axis is N, theta.reshape({n}, {d})."
    received = shape[-1] if shape else None
    if n is not None and len(sizes) == len(rest):
        received = math.prod(sizes)
    fitting = list(itertools.islice(_families(family.ndim, received), _MOST_NAMED)) if received else []
    if fitting:
        return f"{received} numbers are the theta of {' or '.join(fitting)}."
    return f"{family!r} has {d} numbers for each map: pass as many, or make the family that yours belong to."


def _families(ndim: int, n_params: int) -> Iterator[str]:
    """Families with as many parameters, most common first."""
    if n_params == ndim * (ndim + 1):
        yield f"Affine(ndim={ndim})"
        yield f"AffineDiffeo(ndim={ndim})"
    for kind, sizes in (("Similarity", (2, 4, 7)), ("Rigid", (1, 3, 6)), ("ScaleTranslate", (2, 4, 6))):
        if n_params == sizes[ndim - 1]:
            yield f"{kind}(ndim={ndim})"
    if ndim == 2 and n_params in (8, 9):
        yield "Homography()"
    if ndim == 2 and n_params in [2 * k * k for k in range(2, _MOST_CELLS[2] + 1)]:
        k = math.isqrt(n_params // 2)
        yield f"ThinPlateSpline(({k}, {k}))"
    for k in range(1, _MOST_CELLS[ndim] + 1):
        cells = (k,) * ndim
        for boundary in BOUNDARIES:
            outside = "linear" if boundary == "free" else "nearest"
            if make_basis(Tessellation(cells, outside=outside), boundary, "nodal").n_params == n_params:
                yield f"Cpab({cells})" if boundary == "free" else f"Cpab({cells}, boundary={boundary!r})"
