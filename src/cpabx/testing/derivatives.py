"""Velocities, Jacobian-vector products and Jacobians: laws, an oracle, and central differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.errors import DivergenceError, DtypeError, OptionError, RangeError, ShapeError
from cpabx.testing.accuracy import oracle
from cpabx.testing.cases import Array, distance, draw_points, draw_theta, each_dtype, name_of, needs, tensor
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import STEP, TOLERANCE, differences_in_theta, relative_error
from cpabx.testing.too_large import expanding

#: One of each boundary, outside, basis and domain.
FLOWS = (
    Cpab(),
    Cpab((3, 5), boundary="sliding", outside="linear", basis="nodal"),
    Cpab((2, 2), outside="nearest", domain=((0, 1), (-2, 3))),
    Cpab((1, 1), boundary="free"),
)
each_flow = pytest.mark.parametrize("family", FLOWS, ids=name_of)
each_time = pytest.mark.parametrize("time", [1.0, -0.5])


def problem(family: Cpab, seed: int, shared: bool = False) -> tuple[Array, Array, Array, Array]:
    """Points (2, P, n) or (P, n), theta (2, d), and tangents of both."""
    points, theta = draw_points(family, (8,) if shared else (2, 8), seed), draw_theta(family, 2, seed)
    rng = np.random.default_rng(seed)
    return points, theta, rng.standard_normal(points.shape), rng.standard_normal(theta.shape)


def called(
    backend: Backend, method: Callable[..., Any], *values: Array, dtype: str = "float64", **options: Any
) -> Array:
    return backend.to_numpy(method(*(tensor(backend, v, dtype) for v in values), **options))


class TestDerivatives:
    # -- velocities ------------------------------------------------------------------------------

    @each_flow
    def test_velocity_is_the_oracles(self, backend: Backend, family: Cpab) -> None:
        """From the definition, at vertices, inside and beyond."""
        theta = draw_theta(family, 2, 0)
        points = np.concatenate([family.tessellation.vertices, draw_points(family, (30,), 0, beyond=1.0)])
        fields = [oracle(family, t) for t in theta]
        expected = np.stack([[field.velocity(x) for x in points] for field in fields])
        assert distance(called(backend, family.velocity_at, points, theta), expected) <= 1e-12

    @each_dtype
    @each_flow
    def test_velocity_at_the_vertices_is_what_it_is_there(self, backend: Backend, family: Cpab, dtype: str) -> None:
        theta = tensor(backend, draw_theta(family, 3, 1), dtype)
        got = family.velocity_at(tensor(backend, family.tessellation.vertices, dtype), theta)
        assert backend.dtype(got) == dtype
        expected = backend.to_numpy(family.velocity(theta))
        assert distance(backend.to_numpy(got), expected) <= (1e-12 if dtype == "float64" else 1e-5)

    # -- Jacobian-vector products ----------------------------------------------------------------

    @each_time
    @pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
    @each_flow
    def test_jvp_is_a_difference(self, backend: Backend, family: Cpab, shared: bool, time: float) -> None:
        """Along both directions, and along each alone."""
        points, theta, along_points, along_theta = problem(family, 2, shared)
        for s, t in ((1.0, 1.0), (1.0, 0.0), (0.0, 1.0)):
            w, u = s * along_points, t * along_theta
            got = called(backend, family.jvp, points, theta, w, u, time=time)
            ahead, behind = (
                called(backend, family.transform, points + h * w, theta + h * u, time=time) for h in (STEP, -STEP)
            )
            assert relative_error(got, (ahead - behind) / (2 * STEP)) <= TOLERANCE
            p, q = tensor(backend, points), tensor(backend, theta)
            parts = {"tangent_points": (w, s), "tangent_theta": (u, t)}
            given = {name: tensor(backend, value) for name, (value, is_there) in parts.items() if is_there}
            assert distance(backend.to_numpy(family.jvp(p, q, time=time, **given)), got) <= 1e-12

    @each_flow
    def test_jvp_is_the_adjoint_of_vjp(self, backend: Backend, family: Cpab) -> None:
        """<g, J t> = <J^T g, t>: the way there against the way back."""
        points, theta, along_points, along_theta = problem(family, 3)
        cotangent = np.random.default_rng(4).standard_normal(points.shape)
        there = called(backend, family.jvp, points, theta, along_points, along_theta)
        back = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        grad_points, grad_theta = (backend.to_numpy(grad) for grad in back)
        expected = (grad_points * along_points).sum() + (grad_theta * along_theta).sum()
        assert abs((cotangent * there).sum() - expected) <= 1e-12 * np.abs(cotangent * there).sum()

    # -- Jacobians -------------------------------------------------------------------------------

    @each_time
    @pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
    @each_flow
    def test_jacobian_is_differences(self, backend: Backend, family: Cpab, shared: bool, time: float) -> None:
        """Entry (i, j) is the derivative of coordinate i by coordinate j; log_det is the logarithm of its det."""
        points, theta, *_ = problem(family, 5, shared)

        def move(p: Array) -> Array:
            return called(backend, family.transform, p, theta, time=time)

        steps = STEP * np.eye(2)
        expected = np.stack([(move(points + h) - move(points - h)) / (2 * STEP) for h in steps], axis=-1)
        got = called(backend, family.jacobian, points, theta, time=time)
        assert relative_error(got, expected) <= TOLERANCE
        sign, log_det = np.linalg.slogdet(got)
        assert (sign > 0).all()
        assert np.abs(log_det).max() > 0.1
        assert distance(called(backend, family.log_det_jacobian, points, theta, time=time), log_det) <= 1e-12

    def test_jacobian_of_the_oracle_agrees(self, backend: Backend) -> None:
        """A second route: differences of trajectories that our integrator had no part in."""
        family = Cpab((3, 2))
        theta, points = draw_theta(family, 1, 6), draw_points(family, (4,), 6)
        field, steps = oracle(family, theta[0]), STEP * np.eye(2)
        expected = [
            np.stack([(field.flow(x + h) - field.flow(x - h)) / (2 * STEP) for h in steps], axis=-1) for x in points
        ]
        assert relative_error(called(backend, family.jacobian, points, theta)[0], np.array(expected)) <= TOLERANCE

    @each_dtype
    @each_flow
    def test_there_and_back_changes_no_volume(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """The log_det of T^-1 at T(x) is minus that of T at x."""
        theta, points = (
            tensor(backend, draw_theta(family, 2, 7), dtype),
            tensor(backend, draw_points(family, (2, 30), 7), dtype),
        )
        there = family.log_det_jacobian(points, theta)
        back = family.log_det_jacobian(family.transform(points, theta), theta, time=-1)
        assert backend.dtype(there) == dtype
        assert backend.shape(there) == (2, 30)
        assert distance(backend.to_numpy(there), -backend.to_numpy(back)) <= (1e-11 if dtype == "float64" else 2e-4)

    def test_log_det_where_the_determinant_underflows(self, backend: Backend) -> None:
        """The field v(x) = -400 x: exp(-800) is 0 in float64."""
        family = Cpab((2, 2))
        theta, points = expanding(family, -400.0), draw_points(family, (5,), 8)
        got = called(backend, family.log_det_jacobian, points, theta)
        assert distance(got, np.full((1, 5), -800.0)) <= 1e-12

    # -- gradients -------------------------------------------------------------------------------

    @pytest.mark.parametrize("which", ["velocity_at", "jvp", "jacobian", "log_det_jacobian"])
    @each_flow
    def test_gradients_are_differences(self, backend: Backend, family: Cpab, which: str) -> None:
        """Frameworks differentiate the derivatives once, as they say."""
        needs(backend, "autograd", *([] if which == "velocity_at" else ["double_backward"]))
        points, theta, along_points, along_theta = problem(family, 9)
        tangents = (along_points, along_theta) if which == "jvp" else ()

        def value(p: Any, t: Any) -> Any:
            return getattr(family, which)(p, t, *(tensor(backend, v) for v in tangents))

        def loss(p: Array, t: Array) -> Array:
            return np.asarray((cotangent * called(backend, value, p, t)).reshape(2, -1).sum(1))

        shape = called(backend, value, points, theta).shape
        cotangent = np.random.default_rng(10).standard_normal(shape)
        grads = backend.vjp(value, (tensor(backend, points), tensor(backend, theta)), tensor(backend, cotangent))
        grad_points, grad_theta = (backend.to_numpy(grad) for grad in grads)
        assert relative_error(grad_theta, differences_in_theta(lambda t: loss(points, t), theta)) <= TOLERANCE
        expected = np.zeros_like(points)
        for i in np.ndindex(*points.shape[1:]):
            h = np.zeros_like(points)
            h[(slice(None), *i)] = STEP
            expected[(slice(None), *i)] = (loss(points + h, theta) - loss(points - h, theta)) / (2 * STEP)
        assert relative_error(grad_points, expected) <= TOLERANCE

    @each_flow
    def test_second_derivatives_of_transform(self, backend: Backend, family: Cpab) -> None:
        """The vjp of the vjp, by points, theta and cotangent, against differences of the vjp."""
        needs(backend, "autograd", "double_backward")
        points, theta, along_points, along_theta = problem(family, 11)
        cotangent = np.random.default_rng(12).standard_normal(points.shape)

        def grads(p: Any, t: Any, c: Any) -> Any:
            """Both gradients as one tensor (2, -1); `vjp` takes part in the framework's differentiation."""
            first, second = family.vjp(p, t, c)
            return backend.concat([backend.reshape(first, (2, -1)), second], axis=-1)

        values = (points, theta, cotangent)
        weights = np.concatenate([along_points.reshape(2, -1), along_theta], axis=-1)
        got = backend.vjp(grads, [tensor(backend, v) for v in values], tensor(backend, weights))
        for k, (grad, x) in enumerate(zip(got, values, strict=True)):
            expected = np.zeros_like(x)
            for i in np.ndindex(*x.shape[1:]):
                h = np.zeros_like(x)
                h[(slice(None), *i)] = STEP
                ahead, behind = (called(backend, grads, *values[:k], x + s * h, *values[k + 1 :]) for s in (1, -1))
                expected[(slice(None), *i)] = ((ahead - behind) * weights).sum(1) / (2 * STEP)
            assert relative_error(backend.to_numpy(grad), expected) <= TOLERANCE

    # -- agreement, bad input --------------------------------------------------------------------

    @each_dtype
    @pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])
    @each_flow
    def test_same_numbers_everywhere(self, backend: Backend, family: Cpab, shared: bool, dtype: str) -> None:
        """Those of the built-in backend."""
        values = [v.astype(dtype) for v in problem(family, 13, shared)]
        for method in (family.velocity_at, family.jacobian, family.log_det_jacobian, family.jvp):
            arguments = values if method == family.jvp else values[:2]
            got = called(backend, method, *arguments, dtype=dtype)
            assert got.dtype == dtype
            assert distance(got, method(*arguments)) <= (1e-12 if dtype == "float64" else 1e-5)

    def test_nothing_to_do(self, backend: Backend) -> None:
        """Empty batches and no points give empty results."""
        family = Cpab((2, 2))
        for n, p in ((0, 3), (2, 0), (0, 0)):
            points, theta = np.zeros((p, 2)), np.zeros((n, 20))
            assert called(backend, family.velocity_at, points, theta).shape == (n, p, 2)
            assert called(backend, family.jvp, points, theta, points, theta).shape == (n, p, 2)
            assert called(backend, family.jacobian, points, theta).shape == (n, p, 2, 2)
            assert called(backend, family.log_det_jacobian, points, theta).shape == (n, p)

    def test_what_is_not_finite_spoils_its_own(self, backend: Backend) -> None:
        """An item by its theta or the tangent of that, a point by itself or its tangent; no others."""
        family = Cpab((2, 2))
        values = problem(family, 14)
        for k, whole_item in enumerate((False, True, False, True)):
            spoilt = [v.copy() for v in values]
            spoilt[k][1, 0] = np.nan
            for method in (family.velocity_at, family.jacobian, family.log_det_jacobian, family.jvp):
                n = 4 if method == family.jvp else 2
                if k >= n:
                    continue
                expected = called(backend, method, *values[:n])
                got = called(backend, method, *spoilt[:n])
                assert np.isnan(got[1] if whole_item else got[1, 0]).any(-1).all()
                assert np.array_equal(got[0], expected[0])
                assert whole_item or np.array_equal(got[1, 1:], expected[1, 1:])

    def test_bad_arguments(self, backend: Backend) -> None:
        """As in transform; and tangents must fit, and be there."""
        family = Cpab((2, 2))

        def zeros(*shape: int, dtype: str = "float64") -> Any:
            return tensor(backend, np.zeros(shape), dtype)

        points, theta = zeros(4, 2), zeros(3, 20)
        for call in (family.velocity_at, family.jacobian, family.log_det_jacobian):
            with complains(ShapeError, builtin=ValueError, match="20"):
                call(points, zeros(3, 19))
            with complains(ShapeError, builtin=ValueError):
                call(zeros(4, 3), theta)
            with complains(DtypeError, builtin=TypeError):
                call(points, zeros(3, 20, dtype="float32"))
            with complains(RangeError, builtin=ValueError, match="batch item 2"):
                call(points, tensor(backend, np.array([[0.0], [0.0], [1e6]]) * draw_theta(family, 3, 0)))
        for shape in ((4,), (5, 2), (3, 4, 2), (4, 3), (2, 4, 2)):
            with complains(ShapeError, builtin=ValueError, match="tangent_points"):
                family.jvp(points, theta, zeros(*shape))
        for shape in ((20,), (1, 20), (3, 19), (1, 3, 20)):
            with complains(ShapeError, builtin=ValueError, match="tangent_theta"):
                family.jvp(points, theta, None, zeros(*shape))
        with complains(DtypeError, builtin=TypeError, match="tangent_points"):
            family.jvp(points, theta, zeros(4, 2, dtype="float32"))
        with complains(OptionError, builtin=ValueError, match="direction"):
            family.jvp(points, theta)
        timed: list[Callable[..., Any]] = [family.jacobian, family.log_det_jacobian]
        timed.append(lambda p, t, **options: family.jvp(p, t, points, **options))
        for method in timed:
            with complains(OptionError, builtin=ValueError, match="time"):
                method(points, theta, time=float("nan"))
            with complains(DivergenceError, builtin=ArithmeticError, match="batch item 0"):
                method(tensor(backend, [[0.5, 0.25]] * 4), tensor(backend, expanding(family, 1000.0)))
