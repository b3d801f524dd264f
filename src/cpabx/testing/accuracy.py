"""Accuracy: 1,000 random (theta, point) pairs per family against an integrator that shares nothing."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import Array, draw_points, name_of, points_on_faces, tensor
from cpabx.testing.oracle import Oracle2D

SETTINGS = (
    Cpab((4, 4)),  # the paper's
    Cpab((1, 1)),
    Cpab((3, 5), boundary="sliding", domain=((0, 1), (-2, 3))),
    Cpab((2, 2), outside="nearest"),
    Cpab((5, 5), boundary="fixed", outside="linear"),
)
N_THETA, N_POINTS = 50, 20


class Truth(NamedTuple):
    theta: Array
    points: Array
    moved: Array


def oracle(family: Cpab, theta: Array) -> Oracle2D:
    """The oracle of one theta (d,), from the velocities at the vertices."""
    tess = family.tessellation
    low, high = tess.lower, tess.upper
    (velocity,) = family.velocity(theta[None])
    return Oracle2D(tess.cells, velocity, (low[0], low[1]), (high[0], high[1]), tess.outside)  # type: ignore[arg-type]


def pairs(family: Cpab) -> tuple[Array, Array]:
    """Theta (N, d) of N(0, 1); points (N, P, 2): 4 each on vertices, edges and diagonals, inside, and beyond."""
    theta = np.random.default_rng(0).standard_normal((N_THETA, family.n_params))
    points = [
        np.concatenate(
            [
                points_on_faces(family.tessellation, 4, seed),
                draw_points(family, (4,), seed, beyond=0.0),
                draw_points(family, (4,), seed + 1000, beyond=1.0),
            ]
        )
        for seed in range(N_THETA)
    ]
    return theta, np.stack(points)


@functools.cache
def truth(family: Cpab) -> Truth:
    """What the oracle says; a few seconds per family, once for all backends and types."""
    theta, points = pairs(family)
    assert points.shape[1] == N_POINTS
    moved = [[o.flow(x) for x in row] for o, row in zip([oracle(family, t) for t in theta], points, strict=True)]
    return Truth(theta, points, np.array(moved))


def error_of_domain(family: Cpab, got: Array, expected: Array) -> float:
    """Largest error, in widths of the domain.

    Where a free boundary lets a point leave, it may travel far, and no number type can say where
    it is more finely than relative to that distance. So errors of points that *end* beyond the domain
    are divided by their distance from its centre, in half widths; all others count in full. Input
    is rounded to the type under test, and that error counts too.
    """
    low, high = np.array(family.domain).T
    far = np.abs(expected - (low + high) / 2) / ((high - low) / 2)
    scale = np.maximum(1, far.max(-1, keepdims=True))
    return float(np.max(np.abs(got - expected) / (high - low) / scale))


class TestAccuracy:
    @pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-11), ("float32", 2e-5)])
    @pytest.mark.parametrize("family", SETTINGS, ids=name_of)
    def test_a_thousand_pairs(self, backend: Backend, family: Cpab, dtype: str, tolerance: float) -> None:
        """The stated accuracy, points on vertices, edges and diagonals and beyond included."""
        theta, points, expected = truth(family)
        got = family.transform(tensor(backend, points, dtype), tensor(backend, theta, dtype))
        assert backend.dtype(got) == dtype
        assert error_of_domain(family, backend.to_numpy(got).astype(np.float64), expected) <= tolerance

    @pytest.mark.parametrize("family", SETTINGS, ids=name_of)
    def test_inverse_of_a_thousand_pairs(self, backend: Backend, family: Cpab) -> None:
        """Backwards in time is as accurate: the oracle's results come back to where they started."""
        theta, points, moved = truth(family)
        back = family.inverse(tensor(backend, moved), tensor(backend, theta))
        # The way back multiplies the oracle's own rounding by the flow's expansion.
        assert error_of_domain(family, backend.to_numpy(back), points) <= 1e-11

    @pytest.mark.parametrize("family", SETTINGS, ids=name_of)
    def test_general_ode_solver_agrees(self, backend: Backend, family: Cpab) -> None:
        """A third integrator, which knows the velocity field only by its values at points."""
        theta, points = pairs(family)
        got = backend.to_numpy(family.transform(tensor(backend, points), tensor(backend, theta)))
        for i in (0, 7):
            field = oracle(family, theta[i])
            expected = np.array([field.solve_ivp(x) for x in points[i, ::3]])
            assert error_of_domain(family, got[i, ::3], expected) <= 1e-8
