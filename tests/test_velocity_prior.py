"""Velocity priors: the covariance by its definition, speeds by sampling, limits, refusals."""

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import gamma, kv

import cpabx
from cpabx import Cpab, VelocityPrior
from cpabx.errors import OptionError, TessellationError

KINDS = [
    ((7,), {"domain": (0, 1)}),
    ((3, 2), {}),
    ((3, 2), {"boundary": "sliding", "basis": "nodal", "domain": ((0, 1), (-2, 3))}),
    ((3, 3), {"boundary": "fixed", "basis": "normalized"}),
    ((3, 3), {"volume_preserving": True, "boundary": "sliding"}),
    ((2, 2, 2), {"boundary": "sliding"}),
]
each_kind = pytest.mark.parametrize(("cells", "options"), KINDS, ids=str)


def matern(distance, nu):
    """By Bessel functions."""
    x = np.sqrt(2 * nu) * np.maximum(distance, 1e-12)
    return 2 ** (1 - nu) / gamma(nu) * x**nu * kv(nu, x)


CORRELATIONS = {
    "matern32": lambda distance: matern(distance, 1.5),
    "matern52": lambda distance: matern(distance, 2.5),
    "gaussian": lambda distance: np.exp(-(distance**2) / 2),
}


def by_definition(family, kernel, length_scale, nugget):
    """Velocities at vertices N(0, K), given that they are B theta: precision B^T K^-1 B."""
    places, d = family.tessellation.vertices, family.n_params
    fields = family.velocity(np.eye(d)).reshape(d, -1).T
    covariance = CORRELATIONS[kernel](cdist(places, places) / length_scale) + nugget * np.eye(len(places))
    whole = np.kron(covariance, np.eye(family.ndim))
    return np.linalg.inv(fields.T @ np.linalg.solve(whole, fields))


@each_kind
@pytest.mark.parametrize("kernel", CORRELATIONS)
def test_covariance_by_its_definition(cells, options, kernel):
    """Of its size, the mean speed decides."""
    family = Cpab(cells, **options)
    got = VelocityPrior(family, length_scale=0.4, kernel=kernel, nugget=1e-3).covariance
    expected = by_definition(family, kernel, 0.4, 1e-3)
    np.testing.assert_allclose(got / np.trace(got), expected / np.trace(expected), rtol=0, atol=1e-9)


@each_kind
def test_scale_is_the_mean_speed(cells, options):
    """Within 6 %: directions along a border are not like those across."""
    family = Cpab(cells, **options)
    prior = VelocityPrior(family, length_scale=0.6, scale=0.07)
    lower, upper = np.transpose(family.domain)
    points = np.random.default_rng(1).uniform(lower, upper, (300, family.ndim))
    speeds = np.linalg.norm(family.velocity_at(points, prior.sample(4000, seed=0, dtype="float64")), axis=-1)
    assert abs(speeds.mean() / 0.07 - 1) < 0.06


def test_affine_fields_are_free():
    """A larger factor takes all cost from affine fields, and none from others."""
    family = Cpab((4, 4), outside="nearest")
    places = family.tessellation.vertices
    affine = np.stack([places @ np.array([[0.3, -0.2], [0.1, 0.4]]) + 0.1, np.sin(3 * places)])
    theta = np.linalg.lstsq(family.velocity(np.eye(family.n_params)).reshape(family.n_params, -1).T,
                            affine.reshape(2, -1).T, rcond=None)[0].T  # fmt: skip
    costs = [
        (VelocityPrior(family, length_scale=0.5, affine=factor).whiten(theta) ** 2).sum(axis=1)
        for factor in (0.0, 10.0, 1000.0)
    ]
    assert costs[0][0] > 10 * costs[1][0] > 1000 * costs[2][0]
    assert costs[2][1] > 0.2 * costs[0][1]
    assert abs(costs[1][1] / costs[2][1] - 1) < 0.05


@pytest.mark.parametrize("options", [{}, {"boundary": "sliding"}, {"volume_preserving": True}], ids=str)
def test_bases_have_one_distribution_of_fields(options):
    priors = [VelocityPrior(Cpab((3, 3), basis=b, **options), length_scale=0.4) for b in ("orthonormal", "nodal")]
    fields = [prior.cpab.velocity(prior.sample(6, seed=2, dtype="float64")) for prior in priors]
    np.testing.assert_allclose(fields[0], fields[1], rtol=0, atol=1e-10)


@pytest.mark.parametrize("length_scale", [1e-300, 1e-3, 1e4])
def test_extreme_length_scales(length_scale):
    """Independent velocities of vertices, or all but one velocity, and densities that are numbers."""
    family = Cpab((3, 3), outside="nearest", basis="nodal")
    prior = VelocityPrior(family, length_scale=length_scale, kernel="matern32", nugget=1e-4)
    theta = prior.sample(2000, seed=0, dtype="float64")
    assert np.isfinite(prior.log_density(theta)).all()
    correlation = np.corrcoef(family.velocity(theta)[..., 0].T)
    others = correlation[~np.eye(len(correlation), dtype=bool)]
    assert np.abs(others).max() < 0.12 if length_scale < 1 else others.min() > 0.99


def test_priors_are_values():
    prior = VelocityPrior(Cpab((2, 2)), length_scale=0.5, scale=1)
    assert prior == VelocityPrior(Cpab((2, 2)), length_scale=0.5, scale=1.0) == pickle.loads(pickle.dumps(prior))
    assert prior != VelocityPrior(Cpab((2, 2)), length_scale=0.5, scale=1, kernel="gaussian")
    held = VelocityPrior(Cpab((1, 1), boundary="fixed", outside="nearest", basis="nodal"), length_scale=1.0)
    assert held.sample(2).shape == (2, held.n_params)


@pytest.mark.parametrize(
    ("name", "value"),
    [("length_scale", 0), ("scale", -1), ("scale", 0), ("affine", np.nan), ("nugget", np.inf), ("kernel", "cubic")],
)
def test_arguments_that_make_no_prior(name, value):
    with pytest.raises(OptionError, match=name):
        VelocityPrior(Cpab((2, 2)), **{"length_scale": 1.0, name: value})


def test_what_has_no_prior():
    with pytest.raises(OptionError, match="Cpab"):
        VelocityPrior(cpabx.Affine(), length_scale=1.0)
    with pytest.raises(OptionError, match="nugget"):
        VelocityPrior(Cpab((4, 4)), length_scale=1e3, kernel="gaussian", nugget=0).sample(1)
    shift = np.tile([0.0, 0, 1, 0, 0, 0], 16)[:, None]  # v = (1, 0) everywhere, by rows of A_c per cell
    one = Cpab((2, 2), basis=shift, outside="nearest")
    assert VelocityPrior(one, length_scale=1.0).sample(3, dtype="float64").shape == (3, 1)
    with pytest.raises(TessellationError, match="independent"):
        VelocityPrior(Cpab((2, 2), basis=np.tile(shift, 2), outside="nearest"), length_scale=1.0).sample(1)
