"""What a call of a layer returns besides its output: theta and the grid of this very run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Cpab
from cpabx.backend import Backend, Tensor
from cpabx.sampling import Sampling
from cpabx.testing.cases import (
    Array,
    distance,
    draw_images,
    each_alignment,
    image_array,
    image_tensor,
    name_of,
    pixels_of,
)
from cpabx.testing.layers import (
    ELSEWHERE,
    OUTPUT_SIZE,
    SIZE,
    Elsewhere,
    Layer,
    each_elsewhere,
    each_layer,
    images,
    make,
    named,
)

BOTH = {"return_theta": True, "return_grid": True}
AWAY = [(name, family) for name in ("STCPAB", "STAffineCPAB") for family in ELSEWHERE]
AWAY.append(("STCPAB", Elsewhere((2, 2), domain=((0, 1), (-2, 3)))))


class TestLayerExtras:
    @each_layer
    @pytest.mark.parametrize("resized", [False, True])
    def test_all_of_one_run(self, backend: Backend, layer: Layer, resized: bool) -> None:
        """The output as without them, theta as by its method, the grid where the family takes the pixels."""
        own = pixels_of(layer.family, *SIZE)
        size = pixels_of(layer.family, *OUTPUT_SIZE) if resized else own
        made, x = make(backend, layer, output_size=size if resized else None), images(backend, layer.family)
        output, theta, grid = made(x, **BOTH)
        assert np.array_equal(backend.to_numpy(output), backend.to_numpy(made(x)))
        assert np.array_equal(backend.to_numpy(theta), backend.to_numpy(made.theta(x)))
        assert distance(backend.to_numpy(grid), pixel_places(len(x), size)) <= 1e-6

    @each_layer
    def test_each_alone(self, backend: Backend, layer: Layer) -> None:
        """Two of the three, and the output alone, which is no tuple."""
        made, x = make(backend, layer), images(backend, layer.family)
        output, theta, grid = made(x, **BOTH)
        for options, expected in (({"return_theta": True}, theta), ({"return_grid": True}, grid)):
            first, second = made(x, **options)
            assert np.array_equal(backend.to_numpy(first), backend.to_numpy(output))
            assert np.array_equal(backend.to_numpy(second), backend.to_numpy(expected))
        assert backend.shape(made(x, return_theta=False, return_grid=False)) == backend.shape(output)

    @pytest.mark.parametrize(("name", "family"), AWAY, ids=[f"{name}-{name_of(family)}" for name, family in AWAY])
    @each_alignment
    def test_theta_and_grid_make_the_output(
        self, backend: Backend, name: str, family: Cpab, align_corners: bool
    ) -> None:
        """By the family's warp, and by sampling at the grid; away from the identity, in any domain."""
        size, other = pixels_of(family, *SIZE), pixels_of(family, *OUTPUT_SIZE)
        options: dict[str, Any] = {"align_corners": align_corners, "padding_mode": "reflection"}
        made = named(backend, name, size, 2, cells=family, output_size=other, **options)
        x = image_tensor(backend, draw_images(2, *size, 2, 31), "float32")
        output, theta, grid = made(x, **BOTH)
        again = made.transformation.warp(x, theta, other, **options)
        assert distance(backend.to_numpy(again), backend.to_numpy(output)) <= 1e-5
        sampled = backend.sample(x, grid, Sampling(**options))
        assert distance(backend.to_numpy(sampled), backend.to_numpy(output)) <= 1e-5
        assert distance(backend.to_numpy(grid), pixel_places(2, other, align_corners)) > 0.01

    @each_elsewhere
    def test_of_two_passes(self, backend: Backend, family: Cpab) -> None:
        """They describe the composed map, as if the input were sampled once."""
        size = pixels_of(family, *SIZE)
        once, twice = (
            named(backend, "STAffineCPAB", size, 2, cells=family, interpolate=interpolate)
            for interpolate in ("once", "twice")
        )
        x = image_tensor(backend, draw_images(2, *size, 2, 32), "float32")
        output, *expected = once(x, **BOTH)
        _, theta, grid = twice(x, **BOTH)
        for got, right in zip((theta, grid), expected, strict=True):
            assert distance(backend.to_numpy(got), backend.to_numpy(right)) <= 1e-6
        again = image_array(backend, twice.transformation.warp(x, theta))
        assert distance(again, image_array(backend, output)) <= 1e-5

    @pytest.mark.parametrize("merge", [None, "channels"])
    def test_of_layers_side_by_side(self, backend: Backend, merge: str | None) -> None:
        """Lists of them, whatever becomes of the outputs."""
        size, options = (12, 10), {"output_size": (6, 7)}
        layers = [
            named(backend, "STCPAB", size, 2, cells=ELSEWHERE[1], **options),
            named(backend, "STAffine", size, 2, **options),
        ]
        parallel = cpabx.layers.STParallel(layers, merge=merge, backend=backend.name)
        x = image_tensor(backend, draw_images(2, *size, 2, 33), "float32")
        output, thetas, grids = parallel(x, **BOTH)
        for got, right in zip(flat(output), flat(parallel(x)), strict=True):
            assert np.array_equal(backend.to_numpy(got), backend.to_numpy(right))
        for layer, theta, grid in zip(layers, thetas, grids, strict=True):
            _, own_theta, own_grid = layer(x, **BOTH)
            assert np.array_equal(backend.to_numpy(theta), backend.to_numpy(own_theta))
            assert np.array_equal(backend.to_numpy(grid), backend.to_numpy(own_grid))
        for first, second in (parallel(x, return_theta=True), parallel(x, return_grid=True)):
            assert len(flat(first)) == (2 if merge is None else 1)
            assert len(second) == 2


def flat(outputs: Any) -> list[Tensor]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def pixel_places(n: int, size: tuple[int, ...], align_corners: bool = False) -> Array:
    """(n, *size, n): where pixels are in [-1, 1], (x, y, z) last."""
    axes = [np.linspace(-1, 1, s) if align_corners else (2 * np.arange(s) + 1) / s - 1 for s in size]
    places = np.stack(np.meshgrid(*axes, indexing="ij")[::-1], axis=-1)
    return np.broadcast_to(places, (n, *places.shape))
