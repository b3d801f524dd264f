"""Theta of PyPI's libcpab 0.1.3: its basis, cells and fields, integrated exactly here."""

import numpy as np
import pytest

from cpabx import Cpab, SmoothPrior

SETTINGS = [
    # cells, zero boundary, volume preserving
    ((5,), True, False),
    ((5,), False, False),
    ((3, 2), True, False),
    ((3, 2), False, False),
    ((3, 3), True, True),
    ((3, 3), False, True),
    ((2, 2, 2), True, False),
    ((1, 2, 3), True, False),
    ((1, 2, 3), False, False),
    ((2, 2, 2), False, True),
]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def pair(request, libcpab):
    """The peer's family, and ours with the peer's basis."""
    cells, zero_boundary, volume_preserving = request.param
    theirs = libcpab.Cpab(
        list(cells), zero_boundary=zero_boundary, volume_perservation=volume_preserving, override=True
    )
    return theirs, Cpab(cells, basis=theirs.get_basis(), domain=(0, 1))


def draw(family, n=2, *, seed=0, speed=0.3):
    """Theta (n, d) in float32 values whose fastest vertex moves at ``speed``, and points (30, n)."""
    rng = np.random.default_rng(seed)
    theta = rng.standard_normal((n, family.n_params))
    theta *= speed / np.abs(family.velocity(theta)).reshape(n, -1).max(axis=1, keepdims=True)
    points = rng.uniform(0.02, 0.98, (30, family.ndim))
    return theta.astype("float32").astype("float64"), points.astype("float32").astype("float64")


def matrices(theirs, theta):
    """(C, n, n + 1) as the peer lays them out."""
    params = theirs.params
    return (np.asarray(theirs.get_basis(), np.float64) @ theta).reshape(params.nC, *params.Ashape)


def test_same_space_as_ours(pair):
    """Our own options make the same fields: each basis is a combination of the other."""
    theirs, ours = pair
    options = {"boundary": "sliding" if theirs.params.zero_boundary else "free", "domain": (0, 1)}
    own = Cpab(ours.tessellation.cells, volume_preserving=theirs.params.volume_perservation, **options)
    assert own.n_params == theirs.params.d == ours.n_params
    fields = [f.velocity(np.eye(f.n_params)).reshape(f.n_params, -1) for f in (own, ours)]
    assert np.linalg.matrix_rank(np.concatenate(fields), tol=1e-6) == own.n_params


def test_continuation(pair):
    """A free boundary continues linearly, as the peer's basis was made for."""
    theirs, ours = pair
    # In 1D the ends of a held interval continue linearly, too: each side has one cell.
    expected = "nearest" if theirs.params.zero_boundary and ours.ndim > 1 else "linear"
    assert ours.tessellation.outside == expected


def test_exact_integration_of_the_peers_field(pair, exact):
    theirs, ours = pair
    theta, points = draw(ours)
    got = ours.transform(points, theta)
    simplices = np.asarray(theirs.tesselation.verts)[..., : ours.ndim]
    for item, t in zip(got, theta, strict=True):
        oracle = exact(simplices, matrices(theirs, t), ours.tessellation.outside)
        expected = np.array([oracle.flow(x) for x in points])
        assert np.abs(expected - points).max() > 0.05
        np.testing.assert_allclose(item, expected, rtol=0, atol=1e-9)


def test_result_of_the_peer(pair):
    """To the accuracy of its 50 steps, far better than with 5; with more, float32 takes over."""
    import torch

    theirs, ours = pair
    theta, points = draw(ours, seed=1)
    moved = np.stack([ours.transform(points, theta, time=t) for t in np.linspace(0, 1, 9)])
    inside = ((moved > 0.01) & (moved < 0.99)).all(axis=(0, 1, 3))  # beyond, the peer's cells are others
    assert inside.sum() >= 10
    grid = torch.tensor(points[inside].T, dtype=torch.float32)
    errors = []
    for steps in (5, 50):
        theirs.set_solver_params(nstepsolver=steps)
        result = theirs.transform_grid(grid.clone(), torch.tensor(theta, dtype=torch.float32))
        errors.append(np.abs(result.numpy().swapaxes(1, 2) - moved[-1][:, inside]).max())
    assert errors[1] < 2e-4
    assert errors[1] < errors[0] / 10


def test_covariance_of_the_smooth_prior(pair, monkeypatch):
    """The peer's kernel is ours, but for a name: its output_variance is a standard deviation."""
    theirs, ours = pair
    seen = []
    monkeypatch.setattr(theirs, "sample_transformation", lambda n, mean=None, cov=None: seen.append(cov))
    theirs.sample_transformation_with_prior(1, length_scale=0.3, output_variance=1.5)
    expected = SmoothPrior(ours, length_scale=0.3, variance=1.5**2, nugget=0).covariance
    np.testing.assert_allclose(seen[0].numpy(), expected, rtol=0, atol=2e-5 * np.abs(expected).max())
