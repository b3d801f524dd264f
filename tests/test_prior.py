"""Smooth priors: the covariance by its definition, samples by their moments, densities by scipy."""

import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

import cpabx
from cpabx import Cpab, SmoothPrior, VelocityPrior
from cpabx.errors import DtypeError, OptionError, ShapeError, TessellationError

KINDS = [
    ((7,), {}),
    ((7,), {"basis": "nodal", "domain": (0, 1)}),
    ((3, 2), {}),
    ((3, 2), {"boundary": "sliding", "basis": "nodal", "domain": ((0, 1), (-2, 3))}),
    ((2, 2), {"outside": "nearest", "basis": "nodal"}),
    ((3, 3), {"volume_preserving": True}),
    ((2, 2, 1), {"basis": "nodal"}),
]
each_kind = pytest.mark.parametrize(("cells", "options"), KINDS, ids=str)


def matrices(family):
    """(C, n (n + 1), d) entries of A_c, solved here from the velocities at corners."""
    tess = family.tessellation
    velocity = np.moveaxis(family.velocity(np.eye(family.n_params)), 0, -1)[tess.cell_vertices]
    corners = tess.vertices[tess.cell_vertices]
    homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
    rows = np.linalg.solve(homogeneous, velocity.reshape(*homogeneous.shape[:2], -1))
    return np.moveaxis(rows.reshape(velocity.shape), 1, 2).reshape(tess.n_cells, -1, family.n_params)


def by_definition(family, length_scale, variance, nugget):
    """Least squares of Gaussian matrices: pinv(B) C pinv(B)^T."""
    tess, entries = family.tessellation, matrices(family)
    centres = tess.vertices[tess.cell_vertices].mean(axis=1)
    kernel = np.exp(-cdist(centres, centres, "sqeuclidean") / (2 * length_scale**2)) + nugget * np.eye(tess.n_cells)
    fit = np.linalg.pinv(entries.reshape(-1, family.n_params))
    return variance * fit @ np.kron(kernel, np.eye(entries.shape[1])) @ fit.T


@each_kind
def test_covariance_by_its_definition(cells, options):
    family = Cpab(cells, **options)
    for length_scale, variance, nugget in ((0.4, 1.0, 1e-6), (3.0, 0.3, 0.0), (1e-3, 2.0, 0.5)):
        got = SmoothPrior(family, length_scale=length_scale, variance=variance, nugget=nugget).covariance
        expected = by_definition(family, length_scale, variance, nugget)
        np.testing.assert_allclose(got, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@each_kind
@pytest.mark.parametrize("kind", [SmoothPrior, VelocityPrior])
def test_precision_is_the_inverse_of_the_covariance(cells, options, kind):
    prior = kind(Cpab(cells, **options), length_scale=0.4, nugget=1e-3)
    np.testing.assert_allclose(prior.covariance @ prior.precision, np.eye(prior.n_params), rtol=0, atol=1e-8)
    theta = prior.sample(3, seed=0, backend="numpy", dtype="float64")
    white = prior.whiten(theta)
    np.testing.assert_allclose(((theta @ prior.precision) * theta).sum(axis=1), (white**2).sum(axis=1), rtol=1e-9)


@each_kind
def test_moments_of_samples(cells, options):
    """Each mean and each covariance within 5.5 of its standard errors, of which there are some thousand."""
    prior, n = SmoothPrior(Cpab(cells, **options), length_scale=0.5, variance=0.7), 20_000
    theta, expected = prior.sample(n, seed=0, dtype="float64"), by_definition(prior.cpab, 0.5, 0.7, 1e-6)
    variances = np.diag(expected)
    assert np.all(np.abs(theta.mean(axis=0)) < 5.5 * np.sqrt(variances / n))
    error = np.sqrt((np.outer(variances, variances) + expected**2) / n)
    assert np.all(np.abs(theta.T @ theta / n - expected) < 5.5 * error)


@each_kind
def test_log_density_is_scipys(cells, options):
    prior = SmoothPrior(Cpab(cells, **options), length_scale=0.2, variance=0.7, nugget=1e-2)
    theta = prior.sample(5, seed=0, dtype="float64")
    expected = multivariate_normal(cov=by_definition(prior.cpab, 0.2, 0.7, 1e-2)).logpdf(theta)
    np.testing.assert_allclose(prior.log_density(theta), expected, rtol=1e-8)


@pytest.mark.parametrize("length_scale", [0.3, 1e4])
def test_samples_are_as_likely_as_they_should_be(length_scale):
    """The normalised square of a sample is chi-squared of d degrees, also where the covariance is all but singular."""
    prior, n = SmoothPrior(Cpab((4, 4)), length_scale=length_scale), 20_000
    d = prior.cpab.n_params
    mode = prior.log_density(np.zeros((1, d)))
    squares = 2 * (mode - prior.log_density(prior.sample(n, seed=1, dtype="float64")))
    assert abs(squares.mean() - d) < 5 * np.sqrt(2 * d / n)
    assert abs(squares.var() - 2 * d) < 5 * np.sqrt((8 * d * d + 48 * d) / n)


def test_density_of_a_singular_limit_stays_honest():
    """Its logarithm at 0 from the eigenvalues of the definition: 6 of them large, the others the nugget."""
    family = Cpab((4, 4))
    prior = SmoothPrior(family, length_scale=1e5, variance=0.7, nugget=1e-6)
    values = np.sort(np.linalg.eigvalsh(by_definition(family, 1e5, 0.7, 0.0)))
    assert (values[:-6] < 1e-8).all()
    values = np.concatenate([np.full(52, 0.7e-6), values[-6:] + 0.7e-6])
    expected = -0.5 * np.log(2 * np.pi * values).sum()
    np.testing.assert_allclose(prior.log_density(np.zeros((1, 58))), expected, rtol=1e-4)


@pytest.mark.parametrize("length_scale", [1e-3, 1e-300])
def test_independent_cells_make_an_orthonormal_theta_independent(length_scale):
    prior = SmoothPrior(Cpab((3, 4)), length_scale=length_scale, variance=0.7, nugget=0)
    np.testing.assert_allclose(prior.covariance, 0.7 * np.eye(prior.cpab.n_params), atol=1e-12)
    theta = prior.sample(3, seed=0, dtype="float64")
    np.testing.assert_allclose(theta, np.sqrt(0.7) * prior.cpab.sample(3, seed=0, scale=1, dtype="float64"), atol=1e-12)


@pytest.mark.parametrize("cells", [(8,), (4, 4), (2, 2, 2)], ids=str)
def test_long_scales_make_affine_fields(cells):
    """One matrix everywhere, each entry with the variance."""
    prior = SmoothPrior(Cpab(cells), length_scale=1e6, variance=0.49, nugget=1e-10)
    entries = matrices(prior.cpab) @ prior.sample(4000, seed=0, dtype="float64").T  # C, n (n + 1), 4000
    assert np.abs(entries - entries[:1]).max() < 1e-3
    assert np.abs(entries[0].var(axis=1) / 0.49 - 1).max() < 5 * np.sqrt(2 / 4000)


def test_longer_scales_are_smoother():
    family = Cpab((6, 6), boundary="sliding")
    neighbours = [0, 1], [2, 3]  # of the first rectangle
    jumps = []
    for length_scale in (0.1, 0.3, 1.0, 3.0):
        theta = SmoothPrior(family, length_scale=length_scale).sample(500, seed=0, dtype="float64")
        entries = matrices(family) @ theta.T
        jumps.append((np.diff(entries[list(neighbours)], axis=0) ** 2).mean() / (entries**2).mean())
    assert jumps == sorted(jumps, reverse=True)
    assert jumps[-1] < jumps[0] / 2


@pytest.mark.parametrize("options", [{}, {"boundary": "sliding"}, {"volume_preserving": True}], ids=str)
def test_bases_have_one_distribution_of_fields(options):
    """A seed makes the same field in both, and densities differ by the determinant between them."""
    priors = [SmoothPrior(Cpab((3, 3), basis=b, **options), length_scale=0.4) for b in ("orthonormal", "nodal")]
    thetas = [prior.sample(6, seed=2, dtype="float64") for prior in priors]
    fields = [prior.cpab.velocity(theta) for prior, theta in zip(priors, thetas, strict=True)]
    np.testing.assert_allclose(fields[0], fields[1], rtol=0, atol=1e-10)
    densities = [prior.log_density(theta) for prior, theta in zip(priors, thetas, strict=True)]
    change = np.linalg.lstsq(*(p.cpab.velocity(np.eye(p.cpab.n_params)).reshape(p.cpab.n_params, -1).T for p in priors))
    expected = np.linalg.slogdet(change[0])[1]  # orthonormal theta = change @ nodal theta
    np.testing.assert_allclose(densities[1] - densities[0], expected, rtol=0, atol=1e-6)


def test_array_as_basis():
    """Any multiple and order of the fields: the distribution is theirs."""
    family = Cpab((2, 2), boundary="sliding")
    rng = np.random.default_rng(0)
    mix = rng.standard_normal((family.n_params, family.n_params))
    other = Cpab((2, 2), basis=matrices(family).reshape(-1, family.n_params) @ mix, outside="nearest")
    covariances = [SmoothPrior(f, length_scale=0.5).covariance for f in (family, other)]
    np.testing.assert_allclose(mix @ covariances[1] @ mix.T, covariances[0], atol=1e-9)


def test_mean_seed_and_number():
    prior = SmoothPrior(Cpab((2, 2)), length_scale=0.5)
    base = prior.sample(3, seed=1, dtype="float64")
    assert np.array_equal(base, prior.sample(3, seed=1, dtype="float64"))
    assert not np.array_equal(base, prior.sample(3, seed=2, dtype="float64"))
    assert not np.array_equal(prior.sample(3), prior.sample(3))
    assert prior.sample(3, seed=1).dtype == "float32"
    for mean in (np.arange(20.0), np.ones((3, 20), "float32"), list(range(20))):
        np.testing.assert_allclose(prior.sample(3, seed=1, mean=mean, dtype="float64"), base + mean, rtol=1e-14)
    assert prior.sample(0).shape == (0, 20)
    assert prior.log_density(prior.sample(0)).shape == (0,)
    held = SmoothPrior(Cpab((1, 1, 1), boundary="sliding"), length_scale=1.0)
    assert held.sample(2).shape == (2, 0)
    np.testing.assert_array_equal(held.log_density(held.sample(2)), [0, 0])


def test_priors_are_values():
    prior = SmoothPrior(Cpab((2, 2)), length_scale=0.5, variance=2)
    same = SmoothPrior(Cpab((2, 2)), length_scale=0.5, variance=2.0)
    assert prior == same == pickle.loads(pickle.dumps(prior))
    assert hash(prior) == hash(same)
    assert prior != SmoothPrior(Cpab((2, 2)), length_scale=0.6, variance=2)
    assert not prior.covariance.flags.writeable


@pytest.mark.parametrize("name", ["length_scale", "variance", "nugget"])
@pytest.mark.parametrize("value", [-1, 0, np.nan, np.inf, "wide", None, [1, 2]], ids=repr)
def test_numbers_that_make_no_prior(name, value):
    numbers = {"length_scale": 1.0, "variance": 1.0, "nugget": 1e-6, name: value}
    if name == "nugget" and value == 0:
        SmoothPrior(Cpab((2, 2)), **numbers)
        return
    with pytest.raises(OptionError, match=name) as caught:
        SmoothPrior(Cpab((2, 2)), **numbers)
    assert repr(value) in caught.value.received
    assert caught.value.remedy


def test_what_has_no_prior():
    with pytest.raises(OptionError, match="Cpab"):
        SmoothPrior(cpabx.Affine(), length_scale=1.0)
    with pytest.raises(OptionError, match="4096"):
        SmoothPrior(Cpab((64, 64), basis="nodal"), length_scale=1.0)
    twice = matrices(Cpab((2, 2))).reshape(-1, 20)[:, [0, 1, 1]]
    prior = SmoothPrior(Cpab((2, 2), basis=twice), length_scale=1.0)
    for use in (prior.sample, lambda: prior.log_density(np.zeros((1, 3)))):
        with pytest.raises(TessellationError, match="independent"):
            use()


def test_a_nugget_too_small_for_the_scale():
    """Rather an error than the density of rounding."""
    prior = SmoothPrior(Cpab((4, 4)), length_scale=100.0, nugget=0)
    assert prior.covariance.shape == (58, 58)
    for use in (prior.sample, lambda: prior.log_density(np.zeros((1, 58)))):
        with pytest.raises(OptionError, match="nugget"):
            use()


def test_bad_arguments():
    prior = SmoothPrior(Cpab((2, 2)), length_scale=0.5)
    for theta in (np.zeros(20), np.zeros((1, 19)), np.zeros((1, 1, 20))):
        with pytest.raises(ShapeError, match="theta must be"):
            prior.log_density(theta)
    for mean in (np.zeros(19), np.zeros((2, 20)), 1.0):
        with pytest.raises(ShapeError, match="mean must be"):
            prior.sample(3, mean=mean)
    with pytest.raises(DtypeError, match="mean must be"):
        prior.sample(3, mean="zero")
    with pytest.raises(DtypeError):
        prior.log_density(np.zeros((1, 20), int))
    with pytest.raises(DtypeError):
        prior.sample(1, dtype="float16")
    with pytest.raises(OptionError):
        prior.sample(-1)
