"""Random smooth fields whose maps move the points of an image by a share of it, in the mean."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cpabx.backend import Tensor
from cpabx.errors import CpabxError, OptionError, UnsupportedError, shown
from cpabx.options import number
from cpabx.priors import VelocityPrior
from cpabx.sampling import pixel_grid
from cpabx.tracing import constant_while_tracing
from cpabx.transforms import Cpab
from cpabx.transforms.base import Array

#: The largest mean displacement: a quarter of the image.
MOST_AMPLITUDE = 0.25

#: How the displacement is measured: draws of one seed, at points of a grid of so many per axis.
_DRAWS, _PER_AXIS, _ROUNDS = 256, 12, 8


@dataclass(frozen=True)
class RandomField:
    """A distribution of theta for augmentation: smooth maps of a CPAB family that move points by a share of the image.

    Fields are those of :class:`cpabx.VelocityPrior` (Matern 5/2), scaled such that the mean over maps and over the
    image of |T(x) - x| is ``amplitude``. It was measured on draws of a fixed seed; other draws agree to some percent.
    Immutable, picklable, and equal to another with the same arguments.

    Args:
        cells: (nx, ny), or a :class:`cpabx.Cpab`, whose boundary then counts. Fewer are faster.
        amplitude: the mean displacement as a share of the image, of its width along x and of its height along y: with
            0.05, 11 pixels in an image of 224 x 224. In one that is wider than high, displacements are as much wider:
            what is measured is the length of (dx / width, dy / height).
        length_scale: over which displacements are alike, in units of the family's domain, in which an image is 2 wide
            and 2 high unless its Cpab says otherwise: 0.5 is a quarter of the image.
        boundary: ``"sliding"``: the image's border maps to itself, and its corners stay; ``"fixed"``: all points of
            the border stay; ``"free"``: what is beyond the image comes into sight.

    Raises:
        OptionError: an amplitude that is not more than 0 and at most 0.25, or that the fields do not reach; other
            options as :class:`cpabx.Cpab` and :class:`cpabx.VelocityPrior` have it.
        TessellationError: impossible cells.
        UnsupportedError: a family of signals or volumes.
    """

    cells: Cpab | Sequence[int] = (4, 4)
    amplitude: float = field(default=0.05, kw_only=True)
    length_scale: float = field(default=0.5, kw_only=True)
    boundary: str = field(default="sliding", kw_only=True)

    #: The family.
    cpab: Cpab = field(init=False, repr=False, compare=False)
    #: The distribution of its theta.
    prior: VelocityPrior = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        cpab = self.cells if isinstance(self.cells, Cpab) else Cpab(self.cells, boundary=self.boundary)
        if cpab.ndim != 2:
            raise UnsupportedError("augmentation is one of images", f"cells of {cpab.ndim}D", "Pass (nx, ny).")
        amplitude = number(self.amplitude)
        if not 0 < amplitude <= MOST_AMPLITUDE:
            raise OptionError(
                f"amplitude must be more than 0 and at most {MOST_AMPLITUDE}, a share of the image",
                shown(self.amplitude),
                "Points move by some 0.02 to 0.1 in most augmentations.",
            )
        own = self.cells if isinstance(self.cells, Cpab) else cpab.tessellation.cells
        prior = VelocityPrior(cpab, length_scale=self.length_scale, scale=amplitude)
        for name, value in (("cells", own), ("amplitude", amplitude), ("length_scale", prior.length_scale)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "boundary", cpab.boundary)
        object.__setattr__(self, "cpab", cpab)
        object.__setattr__(self, "prior", _calibrated(prior, amplitude))

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that make an equal one."""
        names = ("cells", "amplitude", "length_scale", "boundary")
        return {name: getattr(self, name) for name in names}

    @property
    def n_params(self) -> int:
        """d, the size of theta."""
        return self.cpab.n_params

    def sample(self, n: Any = 1, **options: Any) -> Tensor:
        """Random parameters, of one map each.

        Args:
            n: how many.
            **options: ``seed``, ``generator``, ``backend``, ``device``, ``dtype``, as in
                :meth:`cpabx.VelocityPrior.sample`.

        Returns:
            (n, d).

        Raises:
            CpabxError: as in :meth:`cpabx.VelocityPrior.sample`.
        """
        return self.prior.sample(n, **options)


@constant_while_tracing
def _calibrated(prior: VelocityPrior, amplitude: float) -> VelocityPrior:
    """The prior with the scale whose maps have this mean displacement."""
    cpab = prior.cpab
    low, high = np.array(cpab.domain).T
    points = pixel_grid((_PER_AXIS,) * cpab.ndim, False, cpab.domain).points
    one = dataclasses.replace(prior, scale=1.0)
    theta = one.sample(_DRAWS, seed=0, backend="numpy", dtype="float64")
    scale = amplitude / _share(cpab.velocity_at(points, theta, backend="numpy"), low, high)
    reached = math.nan
    try:
        for _ in range(_ROUNDS):
            moved = cpab.transform(points, scale * theta, backend="numpy")
            reached = _share(moved - points, low, high)
            if abs(reached - amplitude) <= 0.005 * amplitude:
                break
            scale *= amplitude / reached
    except CpabxError:  # too large to integrate
        reached = math.nan
    if not abs(reached - amplitude) <= 0.02 * amplitude:
        raise OptionError(
            "amplitude must be one that smooth fields of the family reach",
            f"amplitude={amplitude} with length_scale={prior.length_scale} and {cpab!r}",
            "Lower it, or raise the length scale or the number of cells.",
        )
    return dataclasses.replace(prior, scale=scale)


def _share(displacement: Array, low: Array, high: Array) -> float:
    """The mean length of displacements (N, P, n) as shares of the domain."""
    mean = float(np.linalg.norm(displacement / (high - low), axis=-1).mean())
    return mean if mean > 0 else math.nan
