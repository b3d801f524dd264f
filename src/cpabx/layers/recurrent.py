"""One localization network that looks several times, each time at what it has made so far."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from cpabx.backend import Tensor
from cpabx.errors import UnsupportedError
from cpabx.layers.families import LAYERS, SpatialTransformerMixin
from cpabx.layers.options import WarpOptions, as_cpab
from cpabx.layers.results import Prediction
from cpabx.options import at_least
from cpabx.transforms import Composition, Transformation


class OfRecurrence(SpatialTransformerMixin):
    """One localization network, applied several times to the input as warped so far; the maps are composed exactly.

    The k-th map is predicted from the input as seen through those before it, which is sampled anew at the composition
    of these. Theta has the parameters of all maps side by side, (N, recurrences * d), the first one's first, as
    ``transformation``, the composition of as many families, takes them: the last map acts first on a pixel.
    """

    def __init__(
        self, transformation: Transformation | Sequence[int] = (4, 4), recurrences: int = 4, **options: Any
    ) -> None:
        self.recurrences = at_least(1, "recurrences", recurrences)  # before a first run, which may make the parameters
        family = transformation if isinstance(transformation, Transformation) else as_cpab(transformation)
        self._each = family
        framework: Any = super()  # its SpatialTransformer, which comes behind
        framework.__init__(_composed(family, self.recurrences), **options)

    def _predicted(self) -> dict[str, Transformation]:
        return {"localization": self._each}

    def own_family(self) -> Transformation:
        return self._each

    def own_options(self) -> dict[str, Any]:
        return {"recurrences": self.recurrences}

    def _predict(self, images: Any, options: WarpOptions, **run: Any) -> Prediction:
        """All looks, in which the framework's class says how: ``_run``, ``_warp``, ``_joined``."""
        layer: Any = self
        theta = layer._run(layer.localization, images, **run)
        for so_far in range(1, self.recurrences):
            between = layer._warp(options.keeping_size(), _composed(self._each, so_far), images, theta)
            own = layer._run(layer.localization, options.without_padding(between), **run)
            theta = layer._joined([theta, own])
        return Prediction(theta, images, self.transformation, theta)

    def inverse_warp(self, images: Tensor, theta: Tensor, *, lengths: Any = None) -> Tensor:
        """Images warped by the inverse of the composed map: what the layer did with this theta is undone.

        Args:
            images: as the layer takes them, for instance its output, or a mean of outputs.
            theta: (N, recurrences * d), as ``return_theta`` gives it.
            lengths: of series, as in a call.

        Returns:
            Images of the layer's output size, sampled as the layer does, but for sampling equal to its inputs.

        Raises:
            UnsupportedError: the family has no inverse.
            ShapeError, DtypeError: as in a call.
        """
        layer: Any = self
        if not self.transformation.has_inverse:
            raise UnsupportedError(
                "inverse_warp needs a family with an inverse", repr(self._each), "Maps of a cpabx.Cpab have one."
            )
        images, options = layer._series(images, lengths)
        return layer._warp(dataclasses.replace(options, inverse=True), self.transformation, images, theta)


def _composed(family: Transformation, times: int) -> Transformation:
    return family if times == 1 else Composition(*[family] * times)


LAYERS["STRecurrent"] = OfRecurrence
