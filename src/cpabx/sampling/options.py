"""The options of sampling as one thing, which is checked where it is made and handed down whole."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from cpabx.errors import OptionError, shown
from cpabx.options import flag, one_of
from cpabx.sampling.layout import KINDS

PADDING_MODES = ("zeros", "border", "reflection", "wrap")
MODES = ("linear", "nearest", "cubic")

#: What modes are called in one dimension alone.
_NAMES: dict[str, tuple[int, str]] = {
    "bilinear": (2, "linear"),
    "trilinear": (3, "linear"),
    "bicubic": (2, "cubic"),
    "tricubic": (3, "cubic"),
}

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class Sampling:
    """How images are sampled; see :meth:`cpabx.Transformation.warp`.

    Immutable, hashable, and equal to any other with the same options. :meth:`checked` makes it of what a user passes.

    Attributes:
        mode: ``"linear"``, ``"nearest"`` or ``"cubic"``, the names that hold in every dimension.
        padding_mode: ``"zeros"``, ``"border"``, ``"reflection"`` or ``"wrap"``.
        align_corners: whether the centres of the outermost pixels lie on the border of the domain, or else their outer
            edges.
        fill: what takes the place of zeros outside of images: one number, or one for each channel. Backends ignore it:
            what they sample has zeros there.

    Raises:
        OptionError: a mode or padding mode that does not exist, or corners that are neither aligned nor not.
    """

    mode: str = "linear"
    padding_mode: str = "zeros"
    align_corners: bool = False
    fill: Numbers = (0.0,)

    def __post_init__(self) -> None:
        one_of("mode", self.mode, MODES)
        one_of("padding_mode", self.padding_mode, PADDING_MODES)
        flag("align_corners", self.align_corners)

    @classmethod
    def checked(
        cls, mode: Any, padding_mode: Any, align_corners: Any, fill: Any, *, ndim: int, of_series: bool = False
    ) -> Sampling:
        """The options of a call, by any of their names.

        Args:
            mode: also ``"bilinear"`` and ``"bicubic"`` in 2D, ``"trilinear"`` and ``"tricubic"`` in 3D.
            padding_mode: also ``"circular"``, which is ``"wrap"``.
            align_corners: True or False.
            fill: a number, or several.
            ndim: of the images.
            of_series: they are series of different lengths, where fill is also what lies beyond the lengths, and so
                goes with every padding mode.

        Raises:
            OptionError: unknown options, a mode of another dimension, a fill that is not finite numbers, or that is
                not zero where another padding leaves nothing to fill.
        """
        plain = type(fill) in (int, float) and fill == 0 and type(align_corners) is bool
        if plain and isinstance(mode, str) and isinstance(padding_mode, str):
            found = _PLAIN.get((mode, padding_mode, align_corners))
            if found is not None:
                return found
        if isinstance(padding_mode, str) and padding_mode == "circular":  # as padding is called where it is of images
            padding_mode = "wrap"
        made = cls(_named(mode, ndim), padding_mode, flag("align_corners", align_corners), _finite(fill))
        if any(made.fill) and padding_mode != "zeros" and not of_series:
            raise OptionError(
                "fill goes with padding_mode='zeros': it takes the place of the zeros",
                f"fill={shown(fill)} and padding_mode={padding_mode!r}",
                "Pass padding_mode='zeros', or leave fill out.",
            )
        return made

    @property
    def config(self) -> dict[str, Any]:
        """The arguments that make equal options, as JSON can hold them: the configuration of a layer."""
        fill = self.fill[0] if len(self.fill) == 1 else list(self.fill)
        return {
            "mode": self.mode,
            "padding_mode": self.padding_mode,
            "align_corners": self.align_corners,
            "fill": fill,
        }


#: Options without a fill, ready made: what most calls use.
_PLAIN = {options: Sampling(*options) for options in itertools.product(MODES, PADDING_MODES, (False, True))}


def _named(mode: Any, ndim: int) -> Any:
    """A mode by the name that it has in every dimension; what is no such name stays as it is."""
    if not isinstance(mode, str) or mode not in _NAMES:
        return mode
    dimension, name = _NAMES[mode]
    if dimension != ndim:
        raise OptionError(
            f"mode {mode!r} is for {KINDS[dimension]}, in {dimension}D",
            f"a transformation of {KINDS[ndim]}, in {ndim}D",
            f"Use mode={name!r}, which exists in every dimension.",
        )
    return name


def _finite(fill: Any) -> Numbers:
    """One finite number, or several."""
    values = _listed(fill)
    if not values or not all(isinstance(x, (bool, int, float)) and -math.inf < x < math.inf for x in values):
        raise OptionError(
            "fill must be a finite number, or one for each channel",
            shown(fill),
            "For instance 0.5, or (0.2, 0.4, 0.1).",
        )
    return values


def _listed(fill: Any) -> tuple[Any, ...]:
    """Numbers as Python's own, which compilers know, or nothing."""
    if isinstance(fill, (bool, int, float)):
        return (fill,)
    if isinstance(fill, (list, tuple)) and all(isinstance(x, (bool, int, float)) for x in fill):
        return tuple(fill)
    try:
        values = np.asarray(fill)
    except Exception:  # whatever a framework raises for a tensor that has no values, or a list for being ragged
        return ()
    return tuple(values.reshape(-1).tolist()) if values.ndim < 2 and values.dtype.kind in "biuf" else ()
