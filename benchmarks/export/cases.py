"""Layers, in either framework, whose theta differ from image to image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cpabx

Array = NDArray[np.float32]

#: Batches whose results are compared, and the one whose time is taken.
BATCHES, TIMED = (1, 7, 100), 16
#: How far theta are from the identity: standard deviations of the last layer's weights.
SCALE = 0.1


@dataclass(frozen=True)
class Case:
    """A layer and the size of its images.

    Attributes:
        name: of the row.
        layer: its name in ``cpabx.layers``; ``STParallel`` has two members side by side.
        options: of the layer.
        size: of the images, without channels.
    """

    name: str
    layer: str
    options: dict[str, Any] = field(default_factory=dict)
    size: tuple[int, ...] = (28, 28)
    channels: int = 1

    def images(self, n: int, *, channels_last: bool) -> Array:
        """Random numbers in [0, 1], the same each time."""
        shape = (n, *self.size, self.channels) if channels_last else (n, self.channels, *self.size)
        return np.random.default_rng(n).random(shape, dtype=np.float32)

    def made(self, backend: str, **options: Any) -> Any:
        """The layer in a framework; its theta are still the identity's."""
        if self.layer == "CPABActivation":
            return cpabx.layers.CPABActivation(backend=backend, **self.options)
        last = backend == "tensorflow"
        shape = (*self.size, self.channels) if last else (self.channels, *self.size)
        given = {"input_shape": shape, "localization": "fcn", "backend": backend, **self.options, **options}
        if self.layer == "STParallel":
            members = [cpabx.layers.STCPAB(**given), cpabx.layers.STAffine(**given)]
            return cpabx.layers.STParallel(members, merge="channels", backend=backend)
        return getattr(cpabx.layers, self.layer)(**given)


_ALL = (
    Case("STAffine", "STAffine"),
    Case("STAffineDiffeo", "STAffineDiffeo"),
    Case("STHomography", "STHomography"),
    Case("STThinPlateSpline", "STThinPlateSpline"),
    Case("STCPAB 1D", "STCPAB", {"cells": (8,)}, (128,)),
    Case("STCPAB 2D", "STCPAB", {"cells": (4, 4)}),
    Case("STCPAB 3D", "STCPAB", {"cells": (2, 2, 2)}, (12, 12, 12)),
    Case("STAffineCPAB", "STAffineCPAB", {"cells": (4, 4)}),
    Case("STRecurrent 1D", "STRecurrent", {"transformation": (8,), "recurrences": 2}, (128,)),
    Case("STParallel", "STParallel"),
    Case("CPABActivation", "CPABActivation"),
)
#: By name.
CASES = {case.name: case for case in _ALL}
