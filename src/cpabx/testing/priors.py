"""Priors: one distribution in every framework, and gradients of its density."""

from __future__ import annotations

import numpy as np
import pytest

import cpabx
from cpabx import Cpab, SmoothPrior, VelocityPrior
from cpabx.backend import Backend
from cpabx.testing.cases import each_dtype, needs, tensor

Prior = SmoothPrior | VelocityPrior
PRIORS: dict[str, Prior] = {
    "orthonormal": SmoothPrior(Cpab((3, 4)), length_scale=0.5, variance=0.7),
    "nodal": SmoothPrior(Cpab((3, 4), basis="nodal", boundary="sliding"), length_scale=0.5),
    "1D": SmoothPrior(Cpab(9, domain=(0, 1)), length_scale=0.2),
    "3D": SmoothPrior(Cpab((2, 2, 2)), length_scale=0.7, nugget=1e-3),
    "velocity": VelocityPrior(Cpab((3, 2), boundary="sliding"), length_scale=0.5, nugget=1e-3),
    "velocity-1D": VelocityPrior(Cpab(6, domain=(0, 1)), length_scale=0.3, affine=3.0, nugget=1e-3),
}
each_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=list(PRIORS))


class TestPriors:
    @each_dtype
    @each_prior
    def test_a_seed_gives_the_same_bits_everywhere(self, backend: Backend, prior: Prior, dtype: str) -> None:
        here, there = (prior.sample(4, seed=3, backend=name, dtype=dtype) for name in (backend.name, "numpy"))
        assert cpabx.registry.owner(here) == backend.name
        assert backend.dtype(here) == dtype
        assert backend.to_numpy(here).tobytes() == there.tobytes()

    @each_dtype
    @each_prior
    def test_log_density(self, backend: Backend, prior: Prior, dtype: str) -> None:
        """From the covariance, in float64; float32 loses what the nugget weighs most."""
        theta = prior.sample(5, seed=0, dtype="float64").astype(dtype)
        got = prior.log_density(tensor(backend, theta, dtype))
        assert backend.dtype(got) == dtype
        exact = theta.astype("float64")
        squares = np.einsum("ni,ni->n", exact, np.linalg.solve(prior.covariance, exact.T).T)
        expected = -0.5 * (squares + np.linalg.slogdet(2 * np.pi * prior.covariance)[1])
        tolerance = 1e-7 if dtype == "float64" else 1e-2
        np.testing.assert_allclose(backend.to_numpy(got), expected, rtol=tolerance, atol=tolerance)

    @each_prior
    def test_gradient_of_log_density(self, backend: Backend, prior: Prior) -> None:
        """Minus the inverse covariance times theta, and central differences."""
        needs(backend, "autograd")
        theta = prior.sample(3, seed=1, dtype="float64")
        cotangent = np.array([1.0, -0.5, 2.0])
        (grad,) = (
            backend.to_numpy(g)
            for g in backend.vjp(prior.log_density, (tensor(backend, theta),), tensor(backend, cotangent))
        )
        expected = -cotangent[:, None] * np.linalg.solve(prior.covariance, theta.T).T
        assert np.abs(grad - expected).max() <= 1e-7 * np.abs(expected).max()
        h = 1e-4 * np.eye(prior.cpab.n_params)
        steps = [backend.to_numpy(prior.log_density(tensor(backend, theta + s))).astype("float64") for s in (*h, *-h)]
        ahead, behind = np.split(np.array(steps), 2)
        differences = cotangent[:, None] * (ahead - behind).T / 2e-4
        assert np.abs(grad - differences).max() <= 1e-6 * np.abs(expected).max()

    def test_a_mean_of_any_framework(self, backend: Backend) -> None:
        prior = PRIORS["orthonormal"]
        mean = np.linspace(0, 1, prior.cpab.n_params)
        got = prior.sample(2, seed=0, mean=tensor(backend, mean), backend=backend.name, dtype="float64")
        expected = prior.sample(2, seed=0, mean=mean, dtype="float64", backend="numpy")
        assert np.array_equal(backend.to_numpy(got), expected)

    @each_dtype
    @each_prior
    def test_whitened_coordinates(self, backend: Backend, prior: Prior, dtype: str) -> None:
        """In which the density is that of N(0, 1) but for a constant, and which go back to theta."""
        white = np.random.default_rng(0).standard_normal((3, prior.n_params))
        theta = prior.unwhiten(tensor(backend, white, dtype))
        assert backend.dtype(theta) == dtype
        tolerance = 1e-10 if dtype == "float64" else 2e-3
        np.testing.assert_allclose(backend.to_numpy(prior.whiten(theta)), white, rtol=0, atol=tolerance)
        differences = np.diff(backend.to_numpy(prior.log_density(theta)).astype("float64"))
        np.testing.assert_allclose(differences, np.diff(-0.5 * (white**2).sum(axis=1)), rtol=0, atol=30 * tolerance)
