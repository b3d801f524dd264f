"""The order of first uses: what one way of tracing or differentiating leaves behind must not spoil the next.

A backend's tests list its ways of use, and start a process for each that is to come first::

    WAYS = {"eager": lambda t: (value(t),), "grad": lambda t: (value(t), gradient(t))}

    if __name__ == "__main__":
        for said in complaints(sys.argv[1:], WAYS, lambda t: (value(t), gradient(t), second(t)), asarray):
            print(said)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

import cpabx
from cpabx.backend import Tensor
from cpabx.testing.cases import Array

#: What is kept for a family is made by these; new ones have nothing.
MAKERS: tuple[Callable[[], cpabx.Transformation], ...] = (
    lambda: cpabx.Affine(),
    lambda: cpabx.AffineDiffeo(),
    lambda: cpabx.Homography(),
    lambda: cpabx.ThinPlateSpline((2, 2)),
    lambda: cpabx.Cpab((2, 1)),
    lambda: cpabx.Cpab((2, 2), basis="nodal", boundary="sliding", domain=((0, 1), (-1, 2))),
    lambda: cpabx.Composition(cpabx.Affine(), cpabx.Cpab((1, 2), boundary="fixed")),
)
_draw = np.random.default_rng(0)
IMAGES, POINTS = _draw.random((1, 4, 3, 1)), _draw.random((3, 2))
_identity = np.concatenate([make().identity(1, backend="numpy", dtype="float64")[0] for make in MAKERS])
#: (d,) the parameters of all families, one after another, and a direction to differentiate along.
THETA: Array = _identity + 0.1 * _draw.standard_normal(_identity.shape)
ALONG: Array = _draw.standard_normal(THETA.shape)

_families: list[cpabx.Transformation] = []


def renew() -> None:
    """Forget all that is kept, and make new families."""
    cpabx.clear_caches()
    _families[:] = [make() for make in MAKERS]


def results(theta: Tensor, images: Tensor, points: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """A warped image and moved points of each family, from theta (d,) of all of them.

    Args:
        theta: (d,), see :data:`THETA`.
        images: :data:`IMAGES` in the backend's layout.
        points: :data:`POINTS`.
    """
    start = 0
    for family in _families:
        own = theta[None, start : start + family.n_params]
        start += family.n_params
        yield family.warp(images, own, (4, 3)), family.transform(points, own)


def complaints(
    first: Sequence[str],
    ways: Mapping[str, Callable[[Tensor], Sequence[Any]]],
    reference: Callable[[Tensor], Sequence[Any]],
    asarray: Callable[[Array], Tensor],
) -> Iterator[str]:
    """What goes wrong: errors, and results that are not what new families give.

    Args:
        first: each of these comes first, then all others; if there are none, each way comes before each other.
        ways: by name, functions of theta (d,) that return the first few of what ``reference`` does, or None for some.
        reference: returns it all.
        asarray: makes a tensor of an array.
    """
    each = [[one, *(way for way in ways if way != one)] for one in first]
    for order in each or [[one, other] for one in ways for other in ways]:
        renew()
        got: dict[str, Sequence[Any]] = {}
        for way in order:
            try:
                got[way] = ways[way](asarray(THETA))
            except Exception as error:  # of any kind: it is reported
                yield f"{order[0]} first, {way}: {type(error).__name__}: {error}"
        renew()
        expected = [np.asarray(result) for result in reference(asarray(THETA))]
        for way, found in got.items():
            for number, (here, there) in enumerate(zip(found, expected, strict=False)):
                if here is not None and not np.allclose(here, there, rtol=1e-9, atol=1e-9):
                    yield f"{order[0]} first, {way}: another result {number}"
