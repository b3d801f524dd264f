"""Where a fit begins: a map that was fitted before, taken apart into what is fitted again and what is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, shown
from cpabx.fitted import FittedTransformation
from cpabx.registration.layout import items
from cpabx.transforms import AffineDiffeo, Composition, Cpab, Transformation
from cpabx.transforms.arguments import host_values

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Outer:
    """A map that acts after the one that is fitted: a family, and theta (N, d) as a tensor."""

    family: Transformation
    theta: Tensor

    def mover(self, backend: Backend) -> Callable[[Tensor, NDArray[np.int64]], Tensor]:
        """Takes points (n, P, n) of these items where the map takes them."""
        return lambda points, chosen: self.family.apply(backend, points, items(backend, self.theta, chosen))


@dataclass(frozen=True)
class Start:
    """A field to begin with, (N, d) of a family, if any, and what acts after it, if anything."""

    field: tuple[Cpab, Array] | None = None
    outer: Outer | None = None


def checked_start(init: Any, backend: Backend, like: Tensor, n: int, ndim: int) -> Start:
    """A start of what :func:`cpabx.register` is given.

    Raises:
        OptionError: it is no fit, or one of another dimension or domain, or an inverse that is no flow's.
        ShapeError: of another number of items.
        BackendMismatchError: it is of another framework.
    """
    if init is None:
        return Start()
    if not isinstance(init, FittedTransformation):
        raise OptionError("init must be a cpabx.FittedTransformation", shown(init), "Pass what register returned.")
    family = init.transformation
    if family.ndim != ndim or family.domain != ((-1.0, 1.0),) * ndim:
        raise OptionError(
            f"init must map [-1, 1]^{ndim}", f"{family!r}", "Fit it to images of the same kind, in the default domain."
        )
    registry.backend_for(backend.name, init=init.theta)
    theta = np.asarray(host_values("init", init.theta), np.float64)
    if len(theta) not in (1, n):
        raise ShapeError(f"init must have 1 or {n} items", f"{len(theta)}", "Pass the part of it that belongs here.")
    theta = np.repeat(theta, n // len(theta), axis=0)
    if init.inverted:
        if not isinstance(family, (Cpab, AffineDiffeo)):
            raise OptionError("an inverse as init must be one of a Cpab", f"{family!r}", "Pass init.inverse.")
        theta = -theta
    if isinstance(family, Cpab):
        return Start((family, theta))
    if isinstance(family, Composition) and isinstance(family.parts[-1], Cpab):
        inner, rest = family.parts[-1], family.parts[:-1]
        outer = rest[0] if len(rest) == 1 else Composition(*rest)
        own = backend.asarray(theta[:, : outer.n_params], like=like)
        return Start((inner, theta[:, outer.n_params :]), Outer(outer, own))
    return Start(None, Outer(family, backend.asarray(theta, like=like)))
