"""Derivatives by name of all families: central differences, adjointness, the chain rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError
from cpabx.testing.cases import Array, distance, draw_points, each_dtype, each_family, needs, tensor
from cpabx.testing.complaints import complains
from cpabx.testing.derivatives import called
from cpabx.testing.gradients import STEP, TOLERANCE, differences_in_theta, relative_error
from cpabx.testing.inverses import each_invertible, near
from cpabx.testing.own_families import Bend, UndoneBend


def problem(family: Transformation, seed: int, *shape: int) -> tuple[Array, Array, Array, Array]:
    """Points, theta (2, d), and tangents of both."""
    points, theta = draw_points(family, shape or (2, 6), seed), near(family, 2, seed)
    rng = np.random.default_rng(seed)
    return points, theta, rng.standard_normal(points.shape), rng.standard_normal(theta.shape)


def difference(backend: Backend, family: Transformation, values: tuple[Array, ...], time: float) -> Array:
    """Of the map, or its inverse, along tangents of points and theta."""
    points, theta, w, u = values
    move = family.transform if time > 0 else family.inverse
    ahead, behind = (called(backend, move, points + h * w, theta + h * u) for h in (STEP, -STEP))
    return np.asarray((ahead - behind) / (2 * STEP))


class TestDifferentials:
    @pytest.mark.parametrize("shape", [(2, 6), (6,)], ids=["paired", "shared"])
    @each_family
    def test_jvp_is_a_difference(self, backend: Backend, family: Transformation, shape: tuple[int, ...]) -> None:
        """Along both directions, and along each alone."""
        points, theta, w, u = values = problem(family, 0, *shape)
        got = called(backend, family.jvp, *values)
        assert relative_error(got, difference(backend, family, values, 1.0)) <= TOLERANCE
        p, q, along_points, along_theta = (tensor(backend, value) for value in values)
        by_points = backend.to_numpy(family.jvp(p, q, along_points))
        by_theta = backend.to_numpy(family.jvp(p, q, tangent_theta=along_theta))
        expected = difference(backend, family, (points, theta, w, 0 * u), 1.0)
        assert relative_error(by_points, expected) <= TOLERANCE
        assert distance(by_points + by_theta, got) <= 1e-10

    @each_invertible
    def test_jvp_of_the_inverse(self, backend: Backend, family: Transformation) -> None:
        """A difference; and what undoes the map undoes its derivative."""
        points, theta, w, u = values = problem(family, 1)
        got = called(backend, family.jvp, *values, time=-1)
        assert relative_error(got, difference(backend, family, values, -1.0)) <= TOLERANCE
        there = called(backend, family.jvp, points, theta, w, u)
        moved = called(backend, family.transform, points, theta)
        back = called(backend, family.jvp, moved, theta, there, u, time=-1)
        assert distance(back, w) <= 1e-9

    @each_family
    def test_jvp_is_the_adjoint_of_vjp(self, backend: Backend, family: Transformation) -> None:
        """<g, J t> = <J^T g, t>: the way there against the way back."""
        points, theta, w, u = values = problem(family, 2)
        cotangent = np.random.default_rng(3).standard_normal(points.shape)
        there = called(backend, family.jvp, *values)
        back = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        grad_points, grad_theta = (backend.to_numpy(grad) for grad in back)
        expected = (grad_points * w).sum() + (grad_theta * u).sum()
        assert abs((cotangent * there).sum() - expected) <= 1e-11 * np.abs(cotangent * there).sum()

    @pytest.mark.parametrize("shape", [(2, 5), (5,)], ids=["paired", "shared"])
    @each_family
    def test_jacobian_is_differences(self, backend: Backend, family: Transformation, shape: tuple[int, ...]) -> None:
        """Entry (i, j) is the derivative of coordinate i by coordinate j; log_det is the logarithm of its |det|."""
        points, theta, *_ = problem(family, 4, *shape)
        for time in (1.0, -1.0) if family.has_inverse else (1.0,):
            columns = [
                difference(backend, family, (points, theta, np.zeros_like(points) + unit, np.zeros_like(theta)), time)
                for unit in np.eye(family.ndim)
            ]
            got = called(backend, family.jacobian, points, theta, time=time)
            assert relative_error(got, np.stack(columns, axis=-1)) <= TOLERANCE
            log_det = called(backend, family.log_det_jacobian, points, theta, time=time)
            assert distance(log_det, np.linalg.slogdet(got)[1]) <= 1e-10

    @each_dtype
    @each_family
    def test_both_at_once(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """T(x) and log |det| are those of the two functions; and there and back changes no volume."""
        points, theta, *_ = (tensor(backend, value, dtype) for value in problem(family, 5))
        moved, log_det = family.transform_and_log_det(points, theta)
        tolerance = {"float32": 1e-5, "float64": 1e-12}[dtype]
        assert backend.dtype(moved) == backend.dtype(log_det) == dtype
        for got, expected in (
            (moved, family.transform(points, theta)),
            (log_det, family.log_det_jacobian(points, theta)),
        ):
            assert distance(backend.to_numpy(got), backend.to_numpy(expected)) <= tolerance
        if family.has_inverse:
            back, undone = family.transform_and_log_det(moved, theta, time=-1)
            assert distance(backend.to_numpy(back), backend.to_numpy(points)) <= 300 * tolerance
            assert distance(backend.to_numpy(undone), -backend.to_numpy(log_det)) <= 300 * tolerance

    def test_log_det_of_an_exponential_is_its_trace(self, backend: Backend) -> None:
        """Also where the determinant underflows."""
        theta = np.array([[-500.0, 1, 0, 2, -400, 0]])
        got = called(backend, AffineDiffeo().log_det_jacobian, np.zeros((3, 2)), theta)
        assert distance(got, np.full((1, 3), -900.0)) <= 1e-12
        assert (
            distance(called(backend, AffineDiffeo().log_det_jacobian, np.zeros((3, 2)), theta, time=0.5), got / 2) == 0
        )

    @pytest.mark.parametrize("which", ["jvp", "jacobian", "log_det_jacobian"])
    @each_family
    def test_gradients_are_differences(self, backend: Backend, family: Transformation, which: str) -> None:
        """By theta: frameworks differentiate the derivatives once, as they say."""
        needs(backend, "autograd", "double_backward")
        points, theta, *tangents = problem(family, 6, 2, 3)
        extra = [tensor(backend, value) for value in tangents] if which == "jvp" else []

        def value(t: Tensor) -> Tensor:
            return getattr(family, which)(tensor(backend, points), t, *extra)

        cotangent = np.random.default_rng(7).standard_normal(called(backend, value, theta).shape)
        (grad,) = backend.vjp(value, (tensor(backend, theta),), tensor(backend, cotangent))
        expected = differences_in_theta(
            lambda t: np.asarray((cotangent * called(backend, value, t)).reshape(2, -1).sum(1)), theta
        )
        assert relative_error(backend.to_numpy(grad), expected) <= TOLERANCE

    # -- families of one's own ---------------------------------------------------------------------

    def test_of_a_family_that_says_nothing_of_it(self, backend: Backend) -> None:
        """From vector-Jacobian products, in a composition, too; where there are none, an error says what to do."""
        for family in (UndoneBend(2), Composition(UndoneBend(2), Cpab((2, 2)))):
            values = problem(family, 8)
            if "autograd" in backend.supports and "double_backward" not in backend.supports:
                continue
            for time in (1, -1) if "autograd" in backend.supports else (1,):
                got = called(backend, family.jvp, *values, time=time)
                assert relative_error(got, difference(backend, family, values, time)) <= TOLERANCE
            points, theta, *_ = (tensor(backend, value) for value in values)
            log_det = backend.to_numpy(family.log_det_jacobian(points, theta))
            inner = 0 if family.n_params == 2 else backend.to_numpy(Cpab((2, 2)).log_det_jacobian(points, theta[:, 2:]))
            assert distance(log_det - inner, np.zeros_like(log_det)) <= 1e-10  # it shears
        if "autograd" not in backend.supports:
            with complains(UnsupportedError, match="pull_back"):
                called(backend, Bend(2).jvp, *problem(Bend(2), 9))

    # -- arguments -----------------------------------------------------------------------------------

    def test_tangents_of_matrices(self, backend: Backend) -> None:
        """In the shape of theta, whichever that is."""
        points = draw_points(Affine(), (2, 5), 10)
        for family, shapes in (
            (Affine(), ((2, 3), (3, 3))),
            (AffineDiffeo(), ((2, 3), (3, 3))),
            (Homography(), ((3, 3), (9,))),
        ):
            for shape in shapes:
                rng = np.random.default_rng(11)
                theta, u = (0.3 * rng.standard_normal((2, *shape)) for _ in range(2))
                if shape[0] != 2:
                    square = theta.reshape(2, 3, 3)
                    square += np.eye(3) * (3 if isinstance(family, Homography) else 1)
                    if not isinstance(family, Homography):
                        square[:, 2] = [0, 0, isinstance(family, Affine)]
                        u[:, 2] = 0
                values = (points, theta, np.ones_like(points), u)
                got = called(backend, family.jvp, *values)
                assert relative_error(got, difference(backend, family, values, 1.0)) <= TOLERANCE

    def test_times(self, backend: Backend) -> None:
        """A flow can be followed for any; other maps have an inverse, at most."""
        for family in (Affine(), Homography(), Composition(Affine(), Cpab((2, 2)))):
            points, theta, w, u = (tensor(backend, value) for value in problem(family, 12))
            for call in (family.jacobian, family.log_det_jacobian, family.transform_and_log_det):
                with complains(OptionError, builtin=ValueError, match="time"):
                    call(points, theta, time=0.5)
            with complains(OptionError, builtin=ValueError, match="time"):
                family.jvp(points, theta, w, u, time=2)
        spline = ThinPlateSpline()
        points, theta, *_ = (tensor(backend, value) for value in problem(spline, 13))
        with complains(UnsupportedError, match="ThinPlateSpline"):
            spline.jacobian(points, theta, time=-1)
        for flow in (Cpab((2, 2)), AffineDiffeo()):
            values = problem(flow, 14)
            points, theta, *_ = (tensor(backend, value) for value in values)
            first = flow.transform_and_log_det(points, theta, time=0.4)
            moved, second = flow.transform_and_log_det(first[0], theta, time=0.6)
            whole, log_det = flow.transform_and_log_det(points, theta)
            assert distance(backend.to_numpy(moved), backend.to_numpy(whole)) <= 1e-10
            assert distance(backend.to_numpy(second + first[1]), backend.to_numpy(log_det)) <= 1e-10

    @each_family
    def test_what_is_not_finite_spoils_its_own(self, backend: Backend, family: Transformation) -> None:
        """An item by its theta, a point by itself; no others."""
        values = problem(family, 15)
        for k, poison in ((0, np.nan), (1, np.inf)):
            spoilt: Any = [value.copy() for value in values]
            spoilt[k][1, 0] = poison
            for method, n in ((family.jvp, 4), (family.jacobian, 2), (family.log_det_jacobian, 2)):
                expected, got = called(backend, method, *values[:n]), called(backend, method, *spoilt[:n])
                assert np.isnan(got[1] if k else got[1, 0]).all()
                assert distance(got[0], expected[0]) <= 1e-12
                assert k == 1 or distance(got[1, 1:], expected[1, 1:]) <= 1e-12

    def test_bad_tangents(self, backend: Backend) -> None:
        family = Affine()
        points, theta = (tensor(backend, np.zeros(shape)) for shape in ((4, 2), (3, 6)))
        with complains(ShapeError, builtin=ValueError, match="tangent_points"):
            family.jvp(points, theta, tensor(backend, np.zeros((5, 2))))
        with complains(ShapeError, builtin=ValueError, match="tangent_theta"):
            family.jvp(points, theta, None, tensor(backend, np.zeros((3, 2, 3))))
        with complains(OptionError, builtin=ValueError, match="direction"):
            family.jvp(points, theta)
