"""What the layers of every backend have in common: their options, checked once."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cpabx.backend import Tensor
from cpabx.errors import OptionError
from cpabx.pixel_grid import Sampling
from cpabx.transforms import Affine, Composition, Cpab, Transformation
from cpabx.transforms.pixels import checked_size, sampling_options

LOCALIZATIONS = ("cnn", "fcn")
INTERPOLATE = ("once", "twice")


@dataclass(frozen=True)
class WarpOptions:
    """How a layer samples its input; see :meth:`cpabx.Transformation.warp`.

    Raises:
        OptionError: unknown mode or padding mode, or an impossible size.
    """

    output_size: tuple[int, ...] | None = None
    mode: str = "linear"
    padding_mode: str = "zeros"
    align_corners: bool = False

    def __post_init__(self) -> None:
        sampling_options(**self.sampling)
        if self.output_size is not None:
            object.__setattr__(self, "output_size", checked_size(self.output_size))

    @property
    def sampling(self) -> Sampling:
        return {"mode": self.mode, "padding_mode": self.padding_mode, "align_corners": self.align_corners}

    def warp(self, transformation: Transformation, images: Tensor, theta: Tensor) -> Tensor:
        """The layer's output."""
        return transformation.warp(images, theta, self.output_size, **self.sampling)

    def keeping_size(self) -> WarpOptions:
        """The same, for a first of two passes."""
        return dataclasses.replace(self, output_size=None)


def as_cpab(cells: Cpab | Sequence[int]) -> Cpab:
    """A transformation as it is, or the default one with these cells."""
    return cells if isinstance(cells, Cpab) else Cpab(cells)


def affine_cpab(cells: Cpab | Sequence[int], interpolate: str) -> Composition:
    """The family of STAffineCPAB, its option checked."""
    if interpolate not in INTERPOLATE:
        raise OptionError(f"interpolate must be one of {', '.join(INTERPOLATE)}", repr(interpolate), "Choose one.")
    return Composition(Affine(), as_cpab(cells))


def localization_pair(localization: Any) -> tuple[Any, Any]:
    """The localization networks of a layer with two of them."""
    if isinstance(localization, str):
        return localization, localization
    if isinstance(localization, (list, tuple)) and len(localization) == 2:
        return localization[0], localization[1]
    raise OptionError(
        f"localization must be one of {', '.join(LOCALIZATIONS)}, or a pair",
        repr(localization),
        "Pass two networks: the second one sees what the first one made of the image.",
    )


def unknown_localization(localization: Any, kind: str) -> OptionError:
    """The error for what is neither the name of a localization network nor one of ``kind``."""
    return OptionError(
        f"localization must be one of {', '.join(LOCALIZATIONS)}, or a {kind}", repr(localization), "Pass one of these."
    )
