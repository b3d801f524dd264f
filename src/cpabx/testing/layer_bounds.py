"""Layers whose theta is bounded: where they start, and what is no bound."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx.backend import Backend
from cpabx.errors import OptionError
from cpabx.testing.complaints import complains
from cpabx.testing.layers import LAYERS, Layer, each_layer, images, make

NOT_BOUNDS: list[Any] = [0, -1.0, np.nan, np.inf, True, "1", [], [1.0], (1.0, 0.0), {}, 1j]


class TestLayerBounds:
    @each_layer
    @pytest.mark.parametrize("per_parameter", [False, True])
    def test_starts_at_the_identity(self, backend: Backend, layer: Layer, per_parameter: bool) -> None:
        """Exactly, whatever the bound."""
        bound: Any = 0.3
        if per_parameter:
            parts = getattr(layer.family, "parts", [layer.family])
            bound = [[0.1 + 0.3 * i for i in range(part.n_params)] for part in parts]
            bound = bound if len(parts) > 1 and layer.name != "STRecurrent" else bound[0]  # which has one network
        made, x = make(backend, layer, bound=bound), images(backend, layer.family)
        assert np.array_equal(backend.to_numpy(made.theta(x)), layer.family.identity(len(x)))

    @pytest.mark.parametrize("name", ["STAffine", "STAffineCPAB"])
    @pytest.mark.parametrize("bound", NOT_BOUNDS, ids=str)
    def test_no_bounds(self, backend: Backend, name: str, bound: Any) -> None:
        with complains(OptionError, builtin=ValueError, match="bound must be a"):
            make(backend, LAYERS[name], bound=bound)
