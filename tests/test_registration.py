"""Registration's parts, in numpy: its optimiser, its metric, and what levels see of images."""

import numpy as np
import pytest

import cpabx
from cpabx.registration.curvature import Curvature
from cpabx.registration.lbfgs import Minimum, Stop, minimise
from cpabx.registration.pyramid import Level, checked_levels, default_levels, shrunk
from cpabx.registration.stretching import area_penalty, stretched
from cpabx.sampling import pixel_grid

NUMPY = cpabx.get_backend("numpy")


def quadratics(n=4, d=12, seed=0):
    """Matrices (n, d, d), some ill-conditioned, and minima (n, d)."""
    random = np.random.default_rng(seed)
    bases = np.linalg.qr(random.standard_normal((n, d, d)))[0]
    values = 10 ** np.linspace(0, np.arange(n)[:, None], d, axis=-1).reshape(n, 1, d)
    return (bases * values) @ bases.transpose(0, 2, 1), random.standard_normal((n, d))


def solve(matrices, minima, metric, **stop):
    def objective(x, items):
        away = x - minima[items]
        pulled = np.einsum("nij,nj->ni", matrices[items], away)
        return 1 + (pulled * away).sum(axis=1) / 2, pulled

    n, d = minima.shape
    best = Minimum(np.zeros((n, d)), np.full(n, np.inf), np.zeros(n, bool))
    stop = Stop(**{"iterations": 300, "tolerance": 1e-12} | stop)
    minimise(objective, best, metric=metric, longest=lambda steps: np.ones(len(steps)), stop=stop)
    return best


def test_quadratic_functions_are_minimised():
    """Each of a batch to its own minimum, whatever its condition."""
    matrices, minima = quadratics()
    best = solve(matrices, minima, lambda g, items: g)
    assert np.allclose(best.x, minima, atol=1e-4)
    assert best.converged.all()


def test_the_hessian_as_metric_is_newtons_method():
    matrices, minima = quadratics()
    inverse = np.linalg.inv(matrices)
    best = solve(matrices, minima, lambda g, items: np.einsum("nij,nj->ni", inverse[items], g), iterations=2)
    assert np.allclose(best.x, minima, atol=1e-8)


def test_losses_never_rise():
    """Rosenbrock's valley, from several places, with trials that are not finite."""
    seen = []

    def objective(x, items):
        a, b = x.T
        loss = (1 - a) ** 2 + 100 * (b - a * a) ** 2
        slope = np.stack([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)], axis=1)
        return np.where(np.abs(a) > 3, np.nan, loss), slope

    best = Minimum(np.array([[-1.2, 1.0], [2.0, -1.0], [0.0, 0.0]]), np.full(3, np.inf), np.zeros(3, bool))
    minimise(
        objective,
        best,
        metric=lambda g, items: g,
        longest=lambda steps: np.ones(len(steps)),
        stop=Stop(500, 1e-10),
        watch=lambda b: seen.append(b.loss.copy()),
    )
    assert (np.diff(seen, axis=0) <= 0).all()
    assert np.allclose(best.x, 1, atol=1e-3)


def test_what_is_not_finite_at_the_start_stays():
    best = Minimum(np.ones((1, 3)), np.zeros(1), np.zeros(1, bool))
    minimise(
        lambda x, items: (np.full(1, np.inf), np.zeros((1, 3))),
        best,
        metric=lambda g, items: g,
        longest=lambda steps: np.ones(len(steps)),
        stop=Stop(),
    )
    assert not np.isfinite(best.loss).any()
    assert (best.x == 1).all()


@pytest.mark.parametrize("options", [{"basis": "nodal", "boundary": "sliding"}, {}])
def test_curvature_is_gauss_and_newtons(options):
    """The inverse of 2 mean w (gradient . v)^2 and the prior, of fields v at the pixels by another route."""
    family = cpabx.Cpab((3, 2), **options)
    prior = cpabx.VelocityPrior(family, length_scale=0.5).precision
    random = np.random.default_rng(0)
    images, weights = random.standard_normal((2, 9, 11, 2)), random.uniform(0, 2, (2, 9, 11))
    metric = Curvature(family, images, weights, prior)
    points = pixel_grid((9, 11), False, family.domain).points
    fields = np.asarray(family.velocity_at(points, np.eye(family.n_params)))  # (d, P, 2)
    gradient = random.standard_normal((2, family.n_params))
    got = metric(gradient, np.arange(2))
    for item in range(2):
        down, right = np.gradient(images[item], axis=(0, 1))
        change = fields[:, :, :1] * right.reshape(-1, 2) * (11 / 2) + fields[:, :, 1:] * down.reshape(-1, 2) * (9 / 2)
        rows = (change * np.sqrt(weights[item].reshape(-1, 1))).reshape(family.n_params, -1)
        expected = np.linalg.solve(2 * rows @ rows.T / rows.shape[1] + prior, gradient[item])
        assert np.abs(got[item] - expected).max() < 1e-3 * np.abs(expected).max()


def test_shrunk_images_keep_straight_lines():
    """Away from the border, and constants everywhere, along the axis that shrinks alone."""
    ramp = np.arange(40.0)[:, None] + np.zeros(6)
    got = np.asarray(shrunk(NUMPY, ramp[None, :, :, None], (10, 6)))[0, :, :, 0]
    assert got.shape == (10, 6)
    assert np.allclose(got[1:-1, 0], np.arange(1, 9) * 4 + 1.5)
    assert np.allclose(shrunk(NUMPY, np.ones((1, 30, 20, 2)), (7, 9)), 1)


def test_levels_fit_the_image():
    levels = default_levels((128, 128))
    assert [level.cells for level in levels] == [(2, 2), (4, 4), (8, 8), (8, 8), (16, 16)]
    assert [level.size((128, 128))[0] for level in levels] == [32, 32, 32, 64, 128]
    assert default_levels((16, 16))[-1].cells == (2, 2)
    assert default_levels((256,))[-1].cells == (32,)
    levels = default_levels((64, 64, 64))
    assert [level.cells for level in levels] == [(2,) * 3, (5,) * 3, (10,) * 3]
    assert [level.size((64, 64, 64))[0] for level in levels] == [32, 32, 64]
    assert default_levels((16, 24, 24))[-1].cells == (2, 2, 2)
    assert checked_levels([(4, 4), ((8, 8), 3)], (64, 64)) == (Level((4, 4), 2), Level((8, 8), 3))


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_area_penalty(ndim):
    """Nothing for maps that keep areas, more the more they change; the same for shrinking and growing in the limits."""

    def penalty(factor):
        grid = pixel_grid((6,) * ndim, False, ((-1, 1),) * ndim).points * 3
        grid[:, 0] *= factor
        return float(area_penalty(NUMPY, grid.reshape(1, *(6,) * ndim, ndim), (0.2, 5.0), 0.5)[0])

    assert penalty(1.0) == penalty(1.5) == penalty(1 / 1.5) == 0
    assert penalty(5.0) == pytest.approx(0.25)
    assert penalty(0.2) == pytest.approx(0.25)
    folded = [penalty(factor) for factor in (0.02, 0.01, 0.0, -0.5, -1.0)]
    assert (np.diff(folded) > 0).all()


@pytest.mark.parametrize("corner", range(4))
def test_a_quadrangle_that_folds_at_one_corner_is_costly(corner):
    """Whichever it is, and though areas at the corner across are what they were."""
    quadrangle = np.stack(np.meshgrid(*[np.arange(2.0)] * 2, indexing="xy"), axis=-1).reshape(4, 2)
    quadrangle[corner] += 0.8 * (quadrangle[3 - corner] - quadrangle[corner])
    grid = quadrangle.reshape(1, 2, 2, 2)
    assert area_penalty(NUMPY, grid, (0.1, 5.0), 0.5)[0] > 1
    assert list(stretched(NUMPY, grid, (0.1, 5.0), 1.0)) == [0]


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_areas_cost_something_only_where_they_are_found_to_be_stretched(ndim):
    """The penalty is computed for these items alone: it is 0 for all others, up to the limits themselves."""
    backend, limits, free = NUMPY, (0.1, 5.0), 0.5
    pixels = np.stack(np.meshgrid(*[np.arange(6.0)] * ndim, indexing="ij")[::-1], axis=-1)
    sizes = np.exp(np.linspace(np.log(0.01), np.log(20), 41))
    grids = pixels * (sizes ** (1 / ndim)).reshape(-1, *[1] * (ndim + 1))
    grids = np.concatenate([grids, [pixels * np.nan]])
    costs = area_penalty(backend, grids, limits, free)
    found = stretched(backend, grids, limits, free)
    assert set(np.flatnonzero(~(costs <= 0))) <= set(found)
    assert len(found) == np.count_nonzero(~(costs <= 0))  # none of these sizes is at a limit
    assert 5 < len(found) < 37
