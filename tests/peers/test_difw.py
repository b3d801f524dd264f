"""Theta of PyPI's difw 0.0.31, in 1D, with each of its bases."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from cpabx import Cpab, SmoothPrior


@pytest.fixture(
    scope="module",
    params=[(n, zero, basis) for n in (5, 16) for zero in (True, False) for basis in ("svd", "qr", "rref", "sparse")],
    ids=str,
)
def pair(request, difw):
    """The peer's family on numpy, which compiles nothing, and ours with the peer's basis."""
    n_cells, zero_boundary, basis = request.param
    theirs = difw.Cpab(n_cells, backend="numpy", zero_boundary=zero_boundary, basis=basis)
    return theirs, Cpab(n_cells, basis=theirs.params.B, domain=(0, 1))


def draw(family, n=3, *, seed=0, speed=0.3):
    """Theta (n, d) whose fastest vertex moves at ``speed``."""
    theta = np.random.default_rng(seed).standard_normal((n, family.n_params))
    return theta * speed / np.abs(family.velocity(theta)).reshape(n, -1).max(axis=1, keepdims=True)


def test_exact_integration_of_the_peers_field(pair, exact):
    theirs, ours = pair
    theta, points = draw(ours), np.random.default_rng(1).uniform(0, 1, (40, 1))
    knots = np.linspace(0, 1, theirs.params.nc + 1)
    simplices = np.stack([knots[:-1], knots[1:]], axis=1)[..., None]
    got = ours.transform(points, theta)
    for item, t in zip(got, theta, strict=True):
        oracle = exact(simplices, (theirs.params.B @ t).reshape(-1, 1, 2), ours.tessellation.outside)
        expected = np.array([oracle.flow(x) for x in points])
        assert np.abs(expected - points).max() > 0.02
        np.testing.assert_allclose(item, expected, rtol=0, atol=1e-9)


def test_result_of_the_peer(pair, monkeypatch):
    """Its closed form steps over each knot by float32's epsilon, 1.2e-7."""
    monkeypatch.setattr(np, "alltrue", np.all, raising=False)  # numpy 2 has no alltrue, which the peer calls
    theirs, ours = pair
    theta, points = draw(ours, seed=2), np.linspace(0.01, 0.99, 50)
    moved = ours.transform(points[:, None], theta)[..., 0]
    result = theirs.transform_grid(points, theta)
    assert np.abs(moved - points).max() > 0.02
    np.testing.assert_allclose(result, moved, rtol=0, atol=1e-5)


def test_covariance_of_the_smooth_prior(pair):
    """The peer's own kernel is another, exp(-|x - y| / (2 l^2)), and its bases are not orthonormal: least squares."""
    theirs, ours = pair
    centres = theirs.tess.cell_centers()[:, None]
    fit = np.linalg.pinv(theirs.params.B)
    kernel = 1.5**2 * np.exp(-cdist(centres, centres, "sqeuclidean") / (2 * 0.3**2))
    expected = fit @ np.kron(kernel, np.eye(2)) @ fit.T
    got = SmoothPrior(ours, length_scale=0.3, variance=1.5**2, nugget=0).covariance
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-8 * np.abs(expected).max())
