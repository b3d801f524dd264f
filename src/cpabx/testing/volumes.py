"""Gradients of Jacobians and of the logarithms of their determinants, where an inverse of the Jacobian would fail."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import Array, draw_points, draw_theta, each_dtype, name_of, needs, tensor
from cpabx.testing.gradients import TOLERANCE, relative_error
from cpabx.testing.too_large import expanding

#: 1D to 3D, every boundary with both continuations.
FLOWS = tuple(
    Cpab(cells, boundary=boundary, outside=outside, domain=((0, 2),) * len(cells))
    for cells, boundary, outside in itertools.product(
        ((5,), (3, 2), (2, 2, 2)), ("free", "sliding", "fixed"), ("linear", "nearest")
    )
)

#: Where a face is crossed slowly, what a larger step would leave out shows.
STEP = 1e-6

#: Fields without divergence that stretch one way and squeeze another.
SADDLES = (
    np.array([[0.3, 1.0], [1.0, -0.3]]),
    np.array([[0.3, 1.0, 0.2], [1.0, -0.2, 0.5], [0.2, 0.5, -0.1]]),
)

#: Freely chosen velocities at the vertices.
NODAL = tuple(Cpab(cells, basis="nodal", outside="nearest") for cells in ((4,), (4, 4), (2, 2, 2)))
each_nodal = pytest.mark.parametrize("family", NODAL, ids=name_of)


def gradients(
    backend: Backend, family: Cpab, which: str, points: Array, theta: Array, cotangent: Array, **options: Any
) -> tuple[Array, Array]:
    """Of sum(cotangent * which(points, theta)), by both, in the cotangent's type."""

    def value(p: Any, t: Any) -> Any:
        return getattr(family, which)(p, t, **options)

    given = (tensor(backend, x, str(cotangent.dtype)) for x in (points, theta))
    grads = backend.vjp(value, tuple(given), tensor(backend, cotangent, str(cotangent.dtype)))
    by_points, by_theta = (backend.to_numpy(grad) for grad in grads)
    return by_points, by_theta


def log_det(backend: Backend, family: Cpab, points: Array, theta: Array, **options: Any) -> Array:
    return backend.to_numpy(family.log_det_jacobian(tensor(backend, points), tensor(backend, theta), **options))


class TestVolumes:
    @pytest.mark.parametrize(("time", "shared"), [(1.0, False), (-0.5, True)], ids=["paired", "shared"])
    @pytest.mark.parametrize("family", FLOWS, ids=name_of)
    def test_gradient_of_log_det_is_differences(
        self, backend: Backend, family: Cpab, shared: bool, time: float
    ) -> None:
        """By every coordinate of points inside and around the domain, and by theta."""
        needs(backend, "autograd", "double_backward")
        points, theta = draw_points(family, (6,) if shared else (2, 6), 0), draw_theta(family, 2, 0)
        cotangent = np.random.default_rng(0).standard_normal((2, 6))
        by_points, by_theta = gradients(backend, family, "log_det_jacobian", points, theta, cotangent, time=time)

        def loss(p: Array, t: Array) -> Array:
            return np.asarray(cotangent * log_det(backend, family, p, t, time=time))

        steps = STEP * np.eye(family.n_params)
        expected = [(loss(points, theta + h) - loss(points, theta - h)).sum(1) / (2 * STEP) for h in steps]
        assert relative_error(by_theta, np.stack(expected, axis=-1)) <= TOLERANCE
        steps = STEP * np.eye(family.ndim)
        by_axis = [(loss(points + h, theta) - loss(points - h, theta)) / (2 * STEP) for h in steps]
        expected_points = np.stack(by_axis, axis=-1)
        assert relative_error(by_points, expected_points.sum(0) if shared else expected_points) <= TOLERANCE

    @pytest.mark.parametrize("matrix", SADDLES, ids=["2D", "3D"])
    def test_float32_where_the_jacobian_is_nearly_singular(self, backend: Backend, matrix: Array) -> None:
        """Against float64, for conditions up to 1e8; det J is about 1."""
        needs(backend, "autograd", "double_backward")
        family, rng = NODAL[len(matrix) - 1], np.random.default_rng(1)
        conditions: list[float] = []
        vertices = family.tessellation.vertices
        points = rng.uniform(-0.02, 0.02, (20, family.ndim)).astype(np.float32)
        for rate in (1, 3, 5, 7, 8, 9, 10, 12):
            fields = rate * vertices @ matrix.T + 0.05 * rng.standard_normal(vertices.shape)
            theta = fields.reshape(1, -1).astype(np.float32)
            cotangent = rng.standard_normal((1, 20)).astype(np.float32)
            exact = gradients(backend, family, "log_det_jacobian", points, theta, cotangent.astype(np.float64))
            rough = gradients(backend, family, "log_det_jacobian", points, theta, cotangent)
            for got, expected in zip(rough, exact, strict=True):
                assert got.dtype == np.float32
                assert relative_error(got, expected) <= 1e-3
            matrices = backend.to_numpy(family.jacobian(*(tensor(backend, x) for x in (points, theta))))
            conditions.append(float(np.linalg.cond(matrices).max()))
        assert min(conditions) < 1e3
        assert 1e7 < max(conditions) < 1e9

    @each_dtype
    @each_nodal
    def test_gradient_is_finite_where_the_jacobian_underflows(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """The field v(x) = -k x has log det -n k for the time 1, whatever the point."""
        needs(backend, "autograd", "double_backward")
        unit = expanding(family, 1.0)
        points, cotangent = draw_points(family, (5,), 2, beyond=0), np.ones((1, 5), dtype)
        for k in (60.0, 120.0, 400.0, 800.0):
            by_points, by_theta = gradients(backend, family, "log_det_jacobian", points, -k * unit, cotangent)
            assert abs((by_theta * -unit).sum() + 5 * family.ndim) <= (1e-9 if dtype == "float64" else 1e-2)
            assert np.abs(by_points).max() <= 1e-2

    @each_dtype
    @each_nodal
    def test_gradient_is_finite_at_rest(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """At theta = 0, also on vertices and faces: log det T^(e u) is e div u there, one-sided where that jumps."""
        needs(backend, "autograd", "double_backward")
        inside = draw_points(family, (6,), 3, beyond=0)
        points = np.concatenate([inside, family.tessellation.vertices])
        theta, cotangent = np.zeros((1, family.n_params)), np.zeros((1, len(points)), dtype)
        by_points, by_theta = gradients(backend, family, "log_det_jacobian", points, theta, cotangent + 1)
        assert np.isfinite(by_theta).all()
        assert (by_points == 0).all()
        direction = np.random.default_rng(3).standard_normal((1, family.n_params))
        cotangent[0, :6] = 1
        _, by_theta = gradients(backend, family, "log_det_jacobian", points, theta, cotangent)
        expected = log_det(backend, family, inside, 1e-6 * direction).sum() / 1e-6
        assert abs((by_theta * direction).sum() - expected) <= 1e-4 * max(1, abs(expected))

    @each_dtype
    @each_nodal
    def test_both_results_at_once(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """The gradient of a loss of the Jacobian and of log det is the sum of theirs."""
        needs(backend, "autograd", "double_backward")
        points, theta = draw_points(family, (2, 6), 4), draw_theta(family, 2, 4)
        tess, n = family.tessellation, family.ndim
        rng = np.random.default_rng(4)
        cotangents = (rng.standard_normal((2, 6, n, n)).astype(dtype), rng.standard_normal((2, 6)).astype(dtype))

        def both(p: Any, t: Any) -> Any:
            velocity = backend.reshape(t, (2, tess.n_vertices, n))
            matrices, log_dets = backend.cpab_jacobian(p, velocity, tess, 1.0)
            return backend.concat([backend.reshape(matrices, (2, -1)), backend.reshape(log_dets, (2, -1))], axis=-1)

        flat = np.concatenate([c.reshape(2, -1) for c in cotangents], axis=-1)
        got = backend.vjp(both, tuple(tensor(backend, x, dtype) for x in (points, theta)), tensor(backend, flat, dtype))
        parts = [
            gradients(backend, family, which, points, theta, cotangent)
            for which, cotangent in zip(("jacobian", "log_det_jacobian"), cotangents, strict=True)
        ]
        for grad, first, second in zip(got, *parts, strict=True):
            limit = 1e-12 if dtype == "float64" else 1e-4
            assert relative_error(backend.to_numpy(grad), first + second) <= limit
