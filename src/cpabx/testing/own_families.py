"""A family of a user's own, by public hooks alone: it does in every backend what those of cpabx do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine, Composition, Cpab, ThinPlateSpline, Transformation
from cpabx.backend import Backend, Tensor
from cpabx.errors import UnsupportedError
from cpabx.sampling import Sampling
from cpabx.testing.cases import Array, distance, draw_images, draw_points, image_array, image_tensor, needs, tensor
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import compare_vjp


class Bend(Transformation):
    """T(x, y) = (x + a y^k + b, y) with theta = (a, b), the least that a family of one's own defines.

    Args:
        power: k, 2 or more.
    """

    n_params = 2

    def __init__(self, power: int = 2) -> None:
        self.power = power

    @property
    def config(self) -> dict[str, Any]:
        return {"power": self.power}

    def identity_theta(self) -> Array:
        return np.zeros(2)

    def apply(self, backend: Backend, points: Tensor, theta: Tensor, *, time: float = 1.0) -> Tensor:
        x, y = points[:, :, :1], points[:, :, 1:]
        shift = theta[:, None, :1] * y**self.power + theta[:, None, 1:]
        return backend.concat([x + time * shift, y + shift * 0], axis=-1)


class UndoneBend(Bend):
    """All that a family can define besides."""

    has_inverse = True

    def pull_back(self, points: Array, theta: Array, cotangent: Array) -> tuple[Array, Array]:
        x, y = cotangent[..., 0], points[..., 1]
        along = cotangent[..., 1] + x * theta[:, :1] * self.power * y ** (self.power - 1)
        return np.stack([x, along], axis=-1), np.stack([(x * y**self.power).sum(-1), x.sum(-1)], axis=-1)


BENDS = (Bend(), UndoneBend(3))
WITH_ONES = (
    UndoneBend(),
    Composition(UndoneBend(3), Cpab((2, 2))),
    Composition(Affine(), UndoneBend(3), ThinPlateSpline((2, 3))),
)
each_bend = pytest.mark.parametrize("family", BENDS, ids=repr)
each_with_one = pytest.mark.parametrize("family", WITH_ONES, ids=["alone", "after a flow", "in the middle"])


def bent(family: Bend, points: Array, theta: Array, time: float = 1.0) -> Array:
    """(N, P, 2) of points (P, 2), by the formula."""
    x, y = points[:, 0], points[:, 1]
    moved = x + time * (theta[:, :1] * y**family.power + theta[:, 1:])
    return np.stack([moved, np.broadcast_to(y, moved.shape)], axis=-1)


def near(family: Transformation, n: int, seed: int) -> Array:
    return np.asarray(family.identity_theta() + 0.3 * np.random.default_rng(seed).standard_normal((n, family.n_params)))


class TestOwnFamilies:
    @each_bend
    def test_moves_points(self, backend: Backend, family: Bend) -> None:
        """As its formula does, and at the identity not at all."""
        theta, points = near(family, 3, 0), draw_points(family, (9,), 0)
        got = family.transform(tensor(backend, points), tensor(backend, theta))
        assert distance(backend.to_numpy(got), bent(family, points, theta)) <= 1e-14
        rests = family.transform(tensor(backend, points), family.identity(1, backend=backend.name, dtype="float64"))
        assert np.array_equal(backend.to_numpy(rests)[0], points)

    def test_inverse(self, backend: Backend) -> None:
        """Where the family says that there is one, also in a composition."""
        points = draw_points(Bend(), (9,), 1)
        theta = near(UndoneBend(), 3, 1)
        got = UndoneBend().inverse(tensor(backend, points), tensor(backend, theta))
        assert distance(backend.to_numpy(got), bent(UndoneBend(), points, theta, -1.0)) <= 1e-14
        both = Composition(UndoneBend(3), Cpab((2, 2)), UndoneBend())
        given, x = tensor(backend, near(both, 3, 2)), tensor(backend, np.stack([points] * 3))
        assert (
            distance(backend.to_numpy(both.inverse(both.transform(x, given), given)), np.stack([points] * 3)) <= 1e-10
        )
        for family in (Bend(), Composition(UndoneBend(), Bend())):
            with complains(UnsupportedError, match="Bend"):
                family.inverse(points, family.identity(3, backend="numpy", dtype="float64"))

    @each_with_one
    def test_gradients(self, backend: Backend, family: Transformation) -> None:
        """By the framework, or in numpy by what the family defines."""
        compare_vjp(backend, family, near(family, 2, 3), draw_points(family, (2, 8), 3), 3)

    def test_gradients_that_are_not_defined(self, backend: Backend) -> None:
        """Are an error in numpy alone."""
        theta, points = tensor(backend, near(Bend(), 2, 4)), tensor(backend, draw_points(Bend(), (2, 5), 4))
        if "autograd" in backend.supports:
            assert backend.shape(Bend().vjp(points, theta, points)[1]) == (2, 2)
        else:
            with complains(UnsupportedError, match="pull_back"):
                Bend().vjp(points, theta, points)

    @each_with_one
    def test_warps_images(self, backend: Backend, family: Transformation) -> None:
        """What the image is at the places of its grid, and those are where it takes the pixels."""
        values, theta = draw_images(2, 6, 5, 3, 5), near(family, 2, 5)
        grid = family.grid(theta, (4, 7), units="unit")
        pixels = Affine().grid(Affine().identity(1, dtype="float64", backend="numpy"), (4, 7))
        assert distance(grid.reshape(2, -1, 2), family.transform(pixels.reshape(-1, 2), theta)) <= 1e-12
        got = family.warp(image_tensor(backend, values), tensor(backend, theta), (4, 7), padding_mode="border")
        sampled = cpabx.get_backend("numpy").sample(values, grid, Sampling(padding_mode="border"))
        assert distance(image_array(backend, got), sampled) <= 1e-12
        framework_grid = family.grid(tensor(backend, theta), (4, 7), units="unit")
        assert distance(backend.to_numpy(framework_grid), grid) <= 1e-12

    @each_bend
    def test_what_is_not_finite_stays_with_its_item(self, backend: Backend, family: Bend) -> None:
        """All of it is NaN, also the coordinate that depends on no theta."""
        theta, points = near(family, 3, 6), draw_points(family, (5,), 6)
        theta[1, 0], points[2, 0] = np.nan, np.inf
        got = backend.to_numpy(family.transform(tensor(backend, points), tensor(backend, theta)))
        expected = np.zeros((3, 5, 2), bool)
        expected[1], expected[:, 2] = True, True
        assert np.array_equal(np.isnan(got), expected)
        assert np.isnan(backend.to_numpy(family.grid(tensor(backend, theta), (3, 3)))[1]).all()

    @each_with_one
    def test_draws_and_compares(self, backend: Backend, family: Transformation) -> None:
        """Random parameters around its identity; equal to another with the same arguments."""
        drawn = family.sample(4, seed=0, backend=backend.name, dtype="float64")
        assert backend.shape(drawn) == (4, family.n_params)
        assert distance(backend.to_numpy(drawn), family.sample(4, seed=0, backend="numpy", dtype="float64")) == 0
        assert Bend(3) == Bend(3) != Bend(2)
        assert hash(UndoneBend(3)) == hash(UndoneBend(3))
        assert Bend(3) != UndoneBend(3)

    @each_with_one
    def test_layer(self, backend: Backend, family: Transformation) -> None:
        """It starts at the identity; and its output is the warp by its theta."""
        needs(backend, "layers")
        shape = (9, 8, 2) if backend.channels_last else (2, 9, 8)
        made = cpabx.layers.SpatialTransformer(family, input_shape=shape, output_size=(5, 6), backend=backend.name)
        values = draw_images(3, 9, 8, 2, 7)
        x = image_tensor(backend, values, "float32")
        assert made.transformation == family
        assert np.array_equal(backend.to_numpy(made.theta(x)), family.identity(3, backend="numpy"))
        expected = family.warp(values, family.identity(3, dtype="float64", backend="numpy"), (5, 6))
        assert distance(image_array(backend, made(x)), expected) <= 1e-5
