"""Inverses of all families that have one."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Affine, Composition, Cpab, Homography, ThinPlateSpline, Transformation
from cpabx.backend import Backend
from cpabx.errors import MatrixError, UnsupportedError
from cpabx.testing.cases import FAMILIES, Array, distance, draw_points, draw_theta, each_dtype, name_of, needs, tensor
from cpabx.testing.complaints import complains
from cpabx.testing.gradients import TOLERANCE, differences_in_theta, relative_error

INVERTIBLE = tuple(family for family in FAMILIES if family.has_inverse)
each_invertible = pytest.mark.parametrize("family", INVERTIBLE, ids=name_of)
MATRICES = (Affine(ndim=1), Affine(), Affine(ndim=3), Homography())
each_matrix = pytest.mark.parametrize("family", MATRICES, ids=name_of)

#: Whose last row is the sum of the others, or a multiple of another.
SINGULAR = {
    1: [0.0, 1],
    2: [0.1, 0.3, 1, 0.2, 0.6, 1],
    3: [0.1, 0.3, 0.7, 0, 1.1, 0.2, 0.9, 0, 1.2, 0.5, 1.6, 0],
}
SINGULAR_HOMOGRAPHY = [0.1, 0.3, 0.7, 1.1, 0.2, 0.3, 1.2, 0.5]


def near(family: Transformation, n: int, seed: int) -> Array:
    """Theta not far from the identity, where all families can be undone."""
    return np.asarray(family.identity_theta() + 0.4 * (draw_theta(family, n, seed) - family.identity_theta()))


class TestInverses:
    @each_invertible
    def test_undoes_the_map(self, backend: Backend, family: Transformation) -> None:
        """In both orders, and it does move the points."""
        theta, points = tensor(backend, near(family, 3, 0)), np.stack([draw_points(family, (9,), 0)] * 3)
        there = family.transform(tensor(backend, points), theta)
        assert distance(backend.to_numpy(family.inverse(there, theta)), points) <= 1e-10
        before = family.inverse(tensor(backend, points), theta)
        assert distance(backend.to_numpy(before), points) > 0.01
        assert distance(backend.to_numpy(family.transform(before, theta)), points) <= 1e-10

    @each_invertible
    def test_gradients(self, backend: Backend, family: Transformation) -> None:
        """By theta, against differences."""
        needs(backend, "autograd")
        theta, points = near(family, 2, 1), draw_points(family, (2, 5), 1)
        cotangent = np.random.default_rng(1).standard_normal(points.shape)

        def loss(t: Array) -> Array:
            moved = family.inverse(tensor(backend, points), tensor(backend, t))
            return np.asarray((cotangent * backend.to_numpy(moved)).sum((1, 2)))

        given = [tensor(backend, v) for v in (theta, cotangent)]
        (grad,) = backend.vjp(lambda t: family.inverse(tensor(backend, points), t), given[:1], given[1])
        assert relative_error(backend.to_numpy(grad), differences_in_theta(loss, theta)) <= TOLERANCE

    @each_dtype
    @pytest.mark.parametrize("ndim", [1, 2, 3])
    def test_of_rows_of_any_size(self, backend: Backend, ndim: int, dtype: str) -> None:
        """An axis in nanometres beside one in kilometres, whose determinant a float32 may not hold."""
        matrix = np.random.default_rng(2).uniform(-1, 1, (3, ndim, ndim)) + 2 * np.eye(ndim)
        for scale in (1e-15, 1.0, 1e15):
            rows = matrix * np.array([scale, 1.0, scale])[:ndim, None]
            theta = np.concatenate([rows, np.zeros((3, ndim, 1))], axis=-1).reshape(3, -1)
            points = np.random.default_rng(3).uniform(-1, 1, (3, 5, ndim)) * np.array([scale, 1.0, scale])[:ndim]
            got = Affine(ndim=ndim).inverse(tensor(backend, points, dtype), tensor(backend, theta, dtype))
            expected = points @ np.swapaxes(np.linalg.inv(rows), -1, -2)
            assert distance(backend.to_numpy(got), expected) <= {"float32": 1e-5, "float64": 1e-13}[dtype]

    @each_dtype
    @each_matrix
    def test_of_singular_matrices(self, backend: Backend, family: Transformation, dtype: str) -> None:
        """Also where rounding hides it; other items of a batch have theirs."""
        theta, points = near(family, 3, 4), tensor(backend, draw_points(family, (5,), 4), dtype)
        theta[1] = SINGULAR[family.ndim] if isinstance(family, Affine) else SINGULAR_HOMOGRAPHY
        given = tensor(backend, theta, dtype)
        if backend.known_values(given) is None:
            got = backend.to_numpy(family.inverse(points, given))
            assert np.isnan(got[1]).all()
            assert np.isfinite(got[[0, 2]]).all()
        else:
            with complains(MatrixError, builtin=ValueError, match="item 1"):
                family.inverse(points, given)

    @each_matrix
    def test_of_matrices_that_are_nearly_singular(self, backend: Backend, family: Transformation) -> None:
        """Condition 1e8 is no reason to refuse in float64."""
        theta, points = near(family, 2, 5), draw_points(family, (5,), 5)
        if family.ndim > 1:
            k = len(theta[0]) // family.ndim if isinstance(family, Affine) else 3
            theta[:, k : 2 * k] = theta[:, :k] + 1e-8 * np.arange(k)
        else:
            theta[:, 0] = 1e-8
        there = family.transform(tensor(backend, points), tensor(backend, theta))
        back = backend.to_numpy(family.inverse(there, tensor(backend, theta)))
        assert distance(back, np.stack([points] * 2)) <= 1e-5

    def test_of_nan(self, backend: Backend) -> None:
        """Its own item alone."""
        for family in MATRICES:
            theta, points = near(family, 3, 6), tensor(backend, draw_points(family, (5,), 6))
            theta[1, 0] = np.nan
            got = backend.to_numpy(family.inverse(points, tensor(backend, theta)))
            assert np.isnan(got[1]).all()
            assert np.isfinite(got[[0, 2]]).all()

    def test_of_compositions_of_all_kinds(self, backend: Backend) -> None:
        """Affine maps and homographies among flows."""
        family = Composition(Affine(), Cpab((2, 2)), Homography(), Cpab((3, 2), boundary="sliding"))
        theta, points = tensor(backend, near(family, 3, 7)), np.stack([draw_points(family, (9,), 7)] * 3)
        there = family.transform(tensor(backend, points), theta)
        assert distance(backend.to_numpy(family.inverse(there, theta)), points) <= 1e-10

    def test_that_is_not_there(self, backend: Backend) -> None:
        """Thin plate splines may fold."""
        for family in (ThinPlateSpline(), Composition(Affine(), ThinPlateSpline((2, 2)), Cpab((2, 2)))):
            theta = family.identity(3, backend=backend.name, dtype="float64")
            with complains(UnsupportedError, match="ThinPlateSpline"):
                family.inverse(tensor(backend, np.zeros((4, 2))), theta)
