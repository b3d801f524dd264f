"""What makes a CPAB transformation one: the laws of a flow."""

from __future__ import annotations

import numpy as np

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import (
    Array,
    distance,
    draw_points,
    draw_theta,
    each_cpab,
    each_dtype,
    points_on_faces,
    tensor,
)

#: Rounding of a few hundred operations in float64, with what the flow makes of it.
ROUNDING = 1e-11


def moved(backend: Backend, family: Cpab, points: Array, theta: Array, time: float = 1.0) -> Array:
    result = family.transform(tensor(backend, points), tensor(backend, theta), time=time)
    return backend.to_numpy(result)


def all_kinds_of_points(family: Cpab, seed: int) -> Array:
    """(P, 2) inside, beyond, and on vertices, edges and diagonals."""
    return np.concatenate([draw_points(family, (20,), seed), points_on_faces(family.tessellation, 10, seed)])


@each_cpab
class TestFlow:
    @each_dtype
    def test_theta_zero_is_the_identity_bit_for_bit(self, backend: Backend, family: Cpab, dtype: str) -> None:
        """A fresh layer must not change its input at all."""
        points = tensor(backend, all_kinds_of_points(family, 0), dtype)
        result = family.transform(points, tensor(backend, np.zeros((2, family.n_params)), dtype))
        for item in backend.to_numpy(result):
            assert np.array_equal(item, backend.to_numpy(points))

    def test_no_time_is_the_identity(self, backend: Backend, family: Cpab) -> None:
        """phi(x, 0) = x, whatever the field."""
        points = all_kinds_of_points(family, 1)
        result = moved(backend, family, points, draw_theta(family, 2, 1), time=0.0)
        assert distance(result, np.stack([points] * 2)) <= 1e-14

    def test_inverse_undoes_in_both_orders(self, backend: Backend, family: Cpab) -> None:
        """T^(-theta) o T^theta = id: the reason to prefer CPAB over a thin plate spline."""
        theta = draw_theta(family, 3, 2)
        points = np.stack([all_kinds_of_points(family, 2)] * 3)
        for first, second in [(theta, -theta), (-theta, theta)]:
            back = moved(backend, family, moved(backend, family, points, first), second)
            assert distance(back, points) <= ROUNDING

    def test_inverse_is_minus_theta_is_minus_time(self, backend: Backend, family: Cpab) -> None:
        """Three ways to ask for one map."""
        theta, points = draw_theta(family, 3, 3), all_kinds_of_points(family, 3)
        expected = moved(backend, family, points, -theta)
        inverse = family.inverse(tensor(backend, points), tensor(backend, theta))
        assert distance(backend.to_numpy(inverse), expected) <= ROUNDING
        assert distance(moved(backend, family, points, theta, time=-1.0), expected) <= ROUNDING

    def test_flow_adds_up_in_time(self, backend: Backend, family: Cpab) -> None:
        """phi(phi(x, s), t) = phi(x, s + t), also back and forth."""
        theta, points = draw_theta(family, 3, 4), all_kinds_of_points(family, 4)
        for s, t in [(0.3, 0.9), (0.7, -0.2), (-0.5, -0.5)]:
            twice = moved(backend, family, moved(backend, family, points, theta, s), theta, t)
            assert distance(twice, moved(backend, family, points, theta, s + t)) <= ROUNDING

    def test_time_multiplies_theta(self, backend: Backend, family: Cpab) -> None:
        """The field is linear in theta, so half the time is half the theta."""
        theta, points = draw_theta(family, 3, 5), all_kinds_of_points(family, 5)
        half = moved(backend, family, points, theta, time=0.5)
        assert distance(half, moved(backend, family, points, theta / 2)) <= ROUNDING

    def test_continuous_over_faces_and_at_vertices(self, backend: Backend, family: Cpab) -> None:
        """Neighbours 1e-9 apart stay neighbours, whichever cells they start in."""
        theta, points = draw_theta(family, 3, 6), points_on_faces(family.tessellation, 30, 6)
        here = moved(backend, family, points, theta)
        for angle in np.arange(8) * np.pi / 4 + 0.1:
            near = points + 1e-9 * np.array([np.cos(angle), np.sin(angle)])
            # exp|A| is below 1000 for these theta.
            assert distance(moved(backend, family, near, theta), here) <= 1e-6

    def test_jacobian_determinant_is_positive(self, backend: Backend, family: Cpab) -> None:
        """A diffeomorphism that is connected to the identity never folds."""
        theta, points, h = draw_theta(family, 3, 7), draw_points(family, (200,), 7), 1e-6
        columns = [
            (moved(backend, family, points + step, theta) - moved(backend, family, points - step, theta)) / (2 * h)
            for step in (np.array([h, 0]), np.array([0, h]))
        ]
        determinant = np.linalg.det(np.stack(columns, axis=-1))
        assert determinant.min() > 0

    def test_velocity_is_linear_in_theta(self, backend: Backend, family: Cpab) -> None:
        """V = N theta."""
        a, b = draw_theta(family, 2, 8), draw_theta(family, 2, 9)
        va, vb, vc = (backend.to_numpy(family.velocity(tensor(backend, t))) for t in (a, b, 2 * a - 3 * b))
        assert va.shape == (2, family.tessellation.n_vertices, 2)
        assert distance(vc, 2 * va - 3 * vb) <= 1e-12

    def test_flow_starts_with_the_velocity(self, backend: Backend, family: Cpab) -> None:
        """D phi / dt = v at the vertices, where `velocity` says what v is."""
        theta, h = draw_theta(family, 2, 10), 1e-6
        vertices = family.tessellation.vertices
        ahead, behind = (moved(backend, family, vertices, theta, time) for time in (h, -h))
        velocity = backend.to_numpy(family.velocity(tensor(backend, theta)))
        # Central differences where the field has a kink are good to first order only.
        assert distance((ahead - behind) / (2 * h), velocity) <= 1e-4

    def test_items_of_a_batch_do_not_meet(self, backend: Backend, family: Cpab) -> None:
        """One result at a time is the batch's result."""
        theta = draw_theta(family, 4, 11)
        points = np.stack([all_kinds_of_points(family, seed) for seed in range(4)])
        together = moved(backend, family, points, theta)
        for i in range(4):
            alone = moved(backend, family, points[i : i + 1], theta[i : i + 1])
            assert distance(alone[0], together[i]) <= 1e-13

    def test_shared_points_are_repeated_points(self, backend: Backend, family: Cpab) -> None:
        """(P, n), (1, P, n) and (N, P, n) mean the same."""
        theta, points = draw_theta(family, 3, 12), all_kinds_of_points(family, 12)
        expected = moved(backend, family, np.stack([points] * 3), theta)
        assert distance(moved(backend, family, points, theta), expected) <= 1e-13
        assert distance(moved(backend, family, points[None], theta), expected) <= 1e-13
