"""From theta to velocities in every framework: the maps, and what autodiff makes of them."""

from __future__ import annotations

import numpy as np
import pytest

from cpabx import Cpab
from cpabx.backend import Backend
from cpabx.testing.cases import Array, distance, each_dtype, needs, tensor

#: One of each kind of map, the sparse ones with and without dependent components and zeros, and one with d = 0.
BASES = (
    Cpab(6, basis="nodal"),
    Cpab((3, 4), basis="nodal"),
    Cpab((3, 4), basis="nodal", outside="nearest"),
    Cpab((3, 4), basis="nodal", boundary="sliding", outside="linear"),
    Cpab((3, 4), basis="nodal", boundary="fixed"),
    Cpab((2, 3, 2), basis="nodal"),
    Cpab((1, 1, 1), basis="nodal", boundary="sliding"),
    Cpab((2, 2, 2)),
    Cpab((3, 4), basis="normalized"),
    Cpab((3, 3), volume_preserving=True),
)
each_basis = pytest.mark.parametrize("family", BASES, ids=[f"{i}-d{f.n_params}" for i, f in enumerate(BASES)])


def expected_velocity(family: Cpab, theta: Array) -> Array:
    matrix = family.basis.to_dense().matrix.astype(theta.dtype)
    return np.asarray(theta @ matrix.T).reshape(len(theta), family.tessellation.n_vertices, family.ndim)


class TestBases:
    @each_dtype
    @each_basis
    @pytest.mark.parametrize("n", [0, 1, 3])
    def test_velocity_is_the_matrix_times_theta(self, backend: Backend, family: Cpab, n: int, dtype: str) -> None:
        theta = np.random.default_rng(0).standard_normal((n, family.n_params)).astype(dtype)
        got = family.velocity(tensor(backend, theta, dtype))
        assert backend.dtype(got) == dtype
        tolerance = 1e-13 if dtype == "float64" else 1e-5
        assert distance(backend.to_numpy(got), expected_velocity(family, theta)) <= tolerance

    @each_basis
    def test_gradient_is_its_transpose(self, backend: Backend, family: Cpab) -> None:
        needs(backend, "autograd")
        rng = np.random.default_rng(1)
        theta = rng.standard_normal((3, family.n_params))
        cotangent = rng.standard_normal((3, family.tessellation.n_vertices, family.ndim))
        (grad,) = backend.vjp(family.velocity, (tensor(backend, theta),), tensor(backend, cotangent))
        expected = cotangent.reshape(3, -1) @ family.basis.to_dense().matrix
        assert distance(backend.to_numpy(grad), expected) <= 1e-13

    def test_a_large_nodal_field(self, backend: Backend) -> None:
        """(64, 64), d = 16138, which no dense matrix could serve: the built-in backend's numbers."""
        family = Cpab((64, 64), basis="nodal")
        theta = family.sample(2, seed=0, scale=2e-3, dtype="float64")
        points, cotangent = np.random.default_rng(2).uniform(-1, 1, (2, 2, 300, 2))
        got = family.transform(tensor(backend, points), tensor(backend, theta))
        assert distance(backend.to_numpy(got), family.transform(points, theta)) <= 1e-12
        grads = family.vjp(*(tensor(backend, v) for v in (points, theta, cotangent)))
        for grad, expected in zip(grads, family.vjp(points, theta, cotangent), strict=True):
            assert np.abs(backend.to_numpy(grad) - expected).max() <= 1e-12 * np.abs(expected).max()
