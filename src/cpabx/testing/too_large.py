"""Huge theta: a finite result, or an error that names the batch item; never a hang or a wrong cell."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.errors import DivergenceError, RangeError
from cpabx.testing.cases import (
    Array,
    draw_points,
    draw_theta,
    each_dtype,
    image_tensor,
    name_of,
    tensor,
)
from cpabx.testing.complaints import complains

CLOSED = [Cpab((4, 4), boundary="sliding"), Cpab((3, 5), boundary="fixed"), Cpab((2, 2), boundary="sliding")]


def expanding(family: Cpab, rate: float) -> Array:
    """(1, d) theta of the field v(x) = rate * x, whose flow is x * exp(rate * time)."""
    identity = np.eye(family.n_params)
    fields = family.velocity(identity).reshape(family.n_params, -1)
    theta, *_ = np.linalg.lstsq(fields.T, rate * family.tessellation.vertices.reshape(-1), rcond=None)
    return np.asarray(theta[None])


class TestTooLarge:
    @each_dtype
    @pytest.mark.parametrize("scale", [30.0, 300.0, 1e3])
    @pytest.mark.parametrize("family", CLOSED, ids=name_of)
    def test_closed_border_holds(self, backend: Backend, family: Cpab, scale: float, dtype: str) -> None:
        """Finite and inside the domain, on faces too; or an error."""
        theta = tensor(backend, scale * draw_theta(family, 4, 0), dtype)
        points = tensor(
            backend, np.concatenate([family.tessellation.vertices, draw_points(family, (200,), 0, beyond=0)]), dtype
        )
        try:
            result = backend.to_numpy(family.transform(points, theta))
        except RangeError:
            assert scale > 100  # |A| of about scale; the limit is 1024
            return
        assert np.isfinite(result).all()
        assert np.abs(result).max() <= 1 + 1e-5

    @each_dtype
    @pytest.mark.parametrize("family", [*CLOSED, Cpab((4, 4)), Cpab((2, 2), outside="nearest")], ids=name_of)
    def test_absurd_theta_is_an_error_that_names_the_item(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """The first such item, in transform, inverse, vjp and warp."""
        theta = draw_theta(family, 4, 1)
        theta[2:] *= 1e6
        t, points = tensor(backend, theta, dtype), tensor(backend, draw_points(family, (5,), 1), dtype)
        images = image_tensor(backend, np.ones((4, 4, 4, 1)), dtype)
        for call in (
            lambda: family.transform(points, t),
            lambda: family.inverse(points, t),
            lambda: family.vjp(points, t, tensor(backend, np.ones((4, 5, 2)), dtype)),
            lambda: family.warp(images, t),
        ):
            with complains(RangeError, builtin=ValueError, match="batch item 2"):
                call()

    @each_dtype
    def test_time_counts_as_much_as_theta(self, backend: Backend, dtype: str) -> None:
        """|time| * |A| is what is limited."""
        family = Cpab((2, 2))
        theta, points = tensor(backend, draw_theta(family, 2, 2), dtype), tensor(backend, [[0.1, 0.2]], dtype)
        for time in (1e6, -1e6):
            with complains(RangeError, builtin=ValueError, match="batch item 0"):
                family.transform(points, theta, time=time)

    @pytest.mark.parametrize(("dtype", "fine", "too_much"), [("float32", 60.0, 200.0), ("float64", 500.0, 1000.0)])
    def test_overflow_through_a_free_border_is_an_error(
        self, backend: Backend, dtype: str, fine: float, too_much: float
    ) -> None:
        """The exponential overflows at 88 in float32, at 709 in float64: right before, an error beyond."""
        family = Cpab((2, 2))
        points = np.array([[0.5, -0.25], [0.0, 0.0]])
        both = np.concatenate([np.zeros((1, family.n_params)), expanding(family, fine)])
        result = backend.to_numpy(family.transform(tensor(backend, points, dtype), tensor(backend, both, dtype)))
        assert np.isfinite(result).all()
        relative = np.abs(result[1, 0] / (points[0] * np.exp(fine)) - 1).max()
        assert relative <= 100 * fine * np.finfo(dtype).eps
        both[1:] = expanding(family, too_much)
        for call in (
            lambda p, t: family.transform(p, t),
            lambda p, t: family.vjp(p, t, tensor(backend, np.ones((2, 2, 2)), dtype)),
            lambda p, t: family.warp(image_tensor(backend, np.ones((2, 4, 4, 1)), dtype), t),
        ):
            with complains(DivergenceError, builtin=ArithmeticError, match="batch item 1"):
                call(tensor(backend, points, dtype), tensor(backend, both, dtype))

    @each_dtype
    def test_nearest_continuation_does_not_overflow(self, backend: Backend, dtype: str) -> None:
        """Beyond the border speed is bounded, so the error's advice is good advice."""
        family = Cpab((2, 2), outside="nearest")
        theta = tensor(backend, expanding(family, 200.0), dtype)
        result = backend.to_numpy(family.transform(tensor(backend, [[0.5, -0.25]], dtype), theta))
        assert np.isfinite(result).all()
        # From the border, reached after log(2) / 200, at a speed of 200 along x.
        expected = 1 + 200 - np.log(2)
        assert abs(result[0, 0, 0] - expected) <= 1e-4 * expected
