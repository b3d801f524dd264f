"""Gradients against the variational equation, integrated exactly: to 1e-9 of the largest, in every dimension."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import Array, draw_points, draw_theta, name_of, tensor
from cpabx.testing.oracle_gradient import GradientOracle

BOUNDARIES = (("free", "linear"), ("free", "nearest"), ("sliding", "nearest"), ("fixed", "linear"))
SETTINGS = (
    *(Cpab((5,), boundary=boundary, outside=outside) for boundary, outside in BOUNDARIES),
    *(Cpab((4, 3), boundary=boundary, outside=outside) for boundary, outside in BOUNDARIES),
    *(Cpab((2, 2, 2), boundary=boundary, outside=outside) for boundary, outside in BOUNDARIES),
    Cpab((30,), basis="nodal", domain=(0, 1)),
    Cpab((3, 2), basis="nodal", domain=((0, 1), (-2, 3))),
    Cpab((3, 3), volume_preserving=True),
    Cpab((3, 3, 3), volume_preserving=True, boundary="sliding"),
)
N_THETA = 3
TOLERANCE = 1e-9


@functools.cache
def oracle(family: Cpab) -> GradientOracle:
    return GradientOracle(family)


@functools.cache
def problem(family: Cpab) -> tuple[Array, Array, Array]:
    """Theta (N, d), points (P, n) in general position and then on faces, cotangents (N, P, n)."""
    tess, rng = family.tessellation, np.random.default_rng(1)
    corners = tess.vertices[rng.choice(tess.cell_vertices, 6)]
    some_face = np.concatenate([corners[:2, 0], corners[2:4, :2].mean(1), corners[4:, :-1].mean(1)])
    points = np.concatenate([draw_points(family, (10,), 1), some_face])
    return draw_theta(family, N_THETA, 1), points, rng.standard_normal((N_THETA, *points.shape))


N_GENERAL = 10  #: points of a problem that lie on no face


@functools.cache
def truth(family: Cpab) -> tuple[Array, Array]:
    """Gradients (N, P, n) and (N, P, d), point by point."""
    theta, points, cotangents = problem(family)
    found = [
        [oracle(family).vjp(oracle(family).field(t), x, c) for x, c in zip(points, row, strict=True)]
        for t, row in zip(theta, cotangents, strict=True)
    ]
    return np.array([[g.points for g in row] for row in found]), np.array([[g.theta for g in row] for row in found])


def relative_error(got: Array, expected: Array) -> float:
    """Of each item's largest entry."""
    axes = tuple(range(1, expected.ndim))
    return float((np.abs(got - expected).max(axes) / np.abs(expected).max(axes)).max())


@pytest.mark.parametrize("family", SETTINGS, ids=name_of)
class TestExactGradients:
    def test_of_theta(self, backend: Backend, family: Cpab) -> None:
        """Starts on faces included: a field's value there does not depend on the side."""
        theta, points, cotangents = problem(family)
        _, expected = truth(family)
        _, grad = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangents)))
        assert relative_error(backend.to_numpy(grad), expected.sum(1)) <= TOLERANCE

    def test_of_points(self, backend: Backend, family: Cpab) -> None:
        theta, points, cotangents = problem(family)
        expected, _ = truth(family)
        general = np.stack([points[:N_GENERAL]] * N_THETA)
        grad, _ = family.vjp(*(tensor(backend, v) for v in (general, theta, cotangents[:, :N_GENERAL])))
        assert relative_error(backend.to_numpy(grad), expected[:, :N_GENERAL]) <= TOLERANCE
