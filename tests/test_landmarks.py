"""Fits of landmarks: laws, the optimum by other routes, what is chosen, what is said, and what is refused."""

import pickle
import signal
import sys
import threading

import numpy as np
import pytest
from scipy.linalg import expm

import cpabx
from cpabx import Cpab, VelocityPrior, fit_landmarks
from cpabx.errors import CpabxError, MissingPackageError, OptionError, ShapeError, TessellationError
from cpabx.landmarks.affine import logarithm
from cpabx.landmarks.choice import spectrum
from cpabx.landmarks.covariance import AFFINE, KERNEL, NUGGET, Covariance, Geometry
from cpabx.landmarks.linearised import linearised
from cpabx.native import arrays

RANDOM = np.random.default_rng(0)
X = RANDOM.uniform(-0.9, 0.9, (30, 2))


@pytest.fixture(autouse=True)
def _the_same_numbers_whatever_ran_before():
    RANDOM.bit_generator.state = np.random.default_rng(1).bit_generator.state


def bent(points):
    """A smooth map that is no CPAB."""
    return points + 0.1 * np.sin(3 * points[..., ::-1])


KINDS = {
    "1D": Cpab(9, domain=(0, 1)),
    "free": Cpab((4, 3), boundary="free", outside="nearest", basis="nodal"),
    "linear": Cpab((4, 3)),
    "sliding": Cpab((4, 3), boundary="sliding", basis="nodal"),
    "fixed": Cpab((4, 4), boundary="fixed"),
    "volume": Cpab((3, 3), boundary="sliding", volume_preserving=True),
    "own": Cpab((2, 2), basis=np.tile(np.eye(6), (16, 1))),  # the affine fields
    "3D": Cpab((2, 2, 2), boundary="sliding"),
}
each_kind = pytest.mark.parametrize("cpab", KINDS.values(), ids=list(KINDS))


def prior_of(cpab, length_scale):
    """The prior that the fit has, but for its scale."""
    return VelocityPrior(cpab, length_scale=length_scale, kernel=KERNEL, affine=AFFINE, nugget=NUGGET)


# -- the parts -----------------------------------------------------------------------------------------


@each_kind
def test_the_covariance_is_that_of_the_velocity_prior(cpab):
    """Which conditions theta, not velocities."""
    tess, scale = cpab.tessellation, 0.4
    matrix = cpab.basis.to_dense().matrix
    expected = matrix @ prior_of(cpab, scale).covariance @ matrix.T
    some = np.arange(0, tess.n_vertices, 2)
    forces = RANDOM.standard_normal((len(some), tess.ndim))
    whole = np.zeros((tess.n_vertices, tess.ndim))
    whole[some] = forces
    covariance = Covariance(Geometry(cpab), scale)
    got = covariance.spread(forces, some).reshape(-1)
    wanted = expected @ whole.reshape(-1)
    factor = np.linalg.norm(got) / np.linalg.norm(wanted)  # the variance of the one is 1
    np.testing.assert_allclose(got, factor * wanted, rtol=0, atol=1e-5 * np.abs(got).max())
    jacobian = RANDOM.standard_normal((5, len(some), tess.ndim))
    rows = np.zeros((5, tess.n_vertices, tess.ndim))
    rows[:, some] = jacobian
    flat = rows.reshape(5, -1)
    gram = covariance.gram(jacobian, some)
    np.testing.assert_allclose(gram, factor * flat @ expected @ flat.T, rtol=0, atol=1e-5 * np.abs(gram).max())


@each_kind
def test_free_fields_are_the_affine_ones_of_the_family(cpab):
    tess, n = cpab.tessellation, cpab.ndim
    ones = np.concatenate([np.ones((tess.n_vertices, 1)), tess.vertices], axis=1)
    affine = np.einsum("va,cd->vcad", ones, np.eye(n)).reshape(tess.n_vertices * n, -1)
    matrix = cpab.basis.to_dense().matrix
    both = np.linalg.matrix_rank(np.concatenate([affine, matrix], axis=1), tol=1e-8)
    in_common = n * (n + 1) + np.linalg.matrix_rank(matrix) - both
    assert Geometry(cpab).n_free == in_common


def test_the_linearised_residuals():
    """By central differences; and the same sums of squares where rows are left out."""
    cpab = KINDS["free"]
    tess = cpab.tessellation
    velocity = 0.3 * RANDOM.standard_normal((tess.n_vertices, 2))
    change = RANDOM.standard_normal(velocity.shape)
    residual = RANDOM.standard_normal((60, 2))
    for n_points in (7, 60):
        x, r = RANDOM.uniform(-1, 1, (n_points, 2)), residual[:n_points]
        near = linearised(x, velocity, r, tess)
        steps = [arrays.transform(x[None], (velocity + h * change)[None], tess, 1.0)[0] for h in (1e-6, -1e-6)]
        slope = ((steps[0] - steps[1]) / 2e-6).reshape(-1)
        predicted = near.jacobian.reshape(len(near.residual), -1) @ change[near.touched].reshape(-1)
        assert np.isclose(((near.residual - predicted) ** 2).sum() + near.others, ((r.reshape(-1) - slope) ** 2).sum())
        assert len(near.residual) + near.n_others == 2 * n_points


def test_generalised_cross_validation():
    """By its definition, and as leave-one-out where all observations are alike."""
    root, b = RANDOM.standard_normal((12, 20)), RANDOM.standard_normal(12)
    gram = root @ root.T
    weights = np.array([0.1, 3.0])
    seen = spectrum(gram, b[:, None])
    for weight, got in zip(weights, seen.cross_validation(weights), strict=True):
        left = np.eye(12) - gram @ np.linalg.inv(gram + weight * np.eye(12))
        assert np.isclose(got, 12 * (left @ b) @ (left @ b) / np.trace(left) ** 2)
    circle = np.exp(-(((np.arange(12)[:, None] - np.arange(12) + 6) % 12 - 6) ** 2) / 4.0)
    errors = []
    for i in range(12):
        rest = np.arange(12) != i
        trusted = np.linalg.solve(circle[np.ix_(rest, rest)] + 0.5 * np.eye(11), b[rest])
        errors.append(b[i] - circle[i, rest] @ trusted)
    assert np.isclose(spectrum(circle, b[:, None]).cross_validation(np.array([0.5]))[0], np.mean(np.square(errors)))


def test_the_likelihood():
    root, b = RANDOM.standard_normal((8, 10)), RANDOM.standard_normal((8, 2))
    gram, sigma, weight = root @ root.T, 0.3, 0.2
    covariance = sigma**2 / weight * gram + sigma**2 * np.eye(8)
    expected = 2 * np.linalg.slogdet(covariance)[1] + (b * np.linalg.solve(covariance, b)).sum()
    assert np.isclose(spectrum(gram, b).unlikelihood(np.array([weight]), 0, sigma)[0], expected)
    units = sigma**2 / weight * np.exp(np.linspace(-9, 9, 20001))  # without sigma, the likeliest of all
    squares = (b * np.linalg.solve(gram + weight * np.eye(8), b)).sum()
    log_det = 2 * np.linalg.slogdet(gram + weight * np.eye(8))[1]
    best = (16 * np.log(units) + log_det + squares / units).min()
    got = spectrum(gram, b).unlikelihood(np.array([weight]), 0, None)[0]
    assert np.isclose(got + 16, best)


@pytest.mark.parametrize("n", [2, 3, 4])
def test_logarithms(n):
    for size in (0.1, 1.0):
        matrix = size * RANDOM.standard_normal((n, n)) / n
        np.testing.assert_allclose(logarithm(expm(matrix)), matrix, rtol=0, atol=1e-10)
    assert logarithm(np.diag([-1.0, *[1.0] * (n - 1)])) is None
    assert logarithm(np.zeros((n, n))) is None


# -- laws ----------------------------------------------------------------------------------------------


@each_kind
def test_maps_of_the_family_are_found(cpab):
    """Where landmarks are many and exact: weight 0 leaves only what they do not tell."""
    theta = VelocityPrior(cpab, length_scale=0.5, scale=0.1).sample(1, seed=3, dtype="float64", backend="numpy")
    lower, upper = cpab.tessellation.lower, cpab.tessellation.upper
    x = RANDOM.uniform(lower, upper, (40 * cpab.ndim**2, cpab.ndim))
    fitted = fit_landmarks(x, cpab.transform(x, theta)[0], cpab, weight=0)
    others = RANDOM.uniform(lower, upper, (50, cpab.ndim))
    assert fitted.converged.all()
    assert np.abs(fitted(others) - cpab.transform(others, theta)).max() < 1e-4
    assert fitted.distances.max() < 1e-5


@pytest.mark.parametrize("n", [1, 2, 3])
def test_affine_maps_are_found_from_few_landmarks(n):
    """Far from the landmarks, too."""
    matrix = expm(0.1 * RANDOM.standard_normal((n, n)))
    x = RANDOM.uniform(-0.7, 0.7, (12, n))
    fitted = fit_landmarks(x, x @ matrix.T + 0.05, (8,) * n)
    others = RANDOM.uniform(-0.9, 0.9, (20, n))
    np.testing.assert_allclose(fitted(others)[0], others @ matrix.T + 0.05, rtol=0, atol=1e-5)


def test_large_rotations():
    angle = 2.0
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    x = 0.6 * X
    fitted = fit_landmarks(x, x @ turn.T)
    assert fitted.converged.all()
    assert fitted.distances.max() < 1e-4


@each_kind
def test_is_the_optimum(cpab):
    """The gradient of what it minimises is zero, by central differences, and the loss what it says."""
    lower, upper = cpab.tessellation.lower, cpab.tessellation.upper
    x = RANDOM.uniform(lower, upper, (15, cpab.ndim))
    y = x + 0.03 * (upper - lower) * np.sin(3 * x[:, ::-1]) + 0.01 * RANDOM.standard_normal(x.shape)
    weight, scale = 0.02, 0.4
    fitted = fit_landmarks(x, y, cpab, weight=weight, length_scale=scale)
    matrix = cpab.basis.to_dense().matrix
    prior = prior_of(cpab, scale)
    all_of_them = np.eye(len(matrix)).reshape(len(matrix), -1, cpab.ndim)
    spread = Covariance(Geometry(cpab), scale).gram(all_of_them, np.arange(all_of_them.shape[1]))
    variance = np.trace(spread) / np.trace(matrix @ prior.covariance @ matrix.T)  # of one component in the mean

    def cost(theta):
        squares = ((cpab.transform(x, theta) - y) ** 2).sum(axis=(1, 2))
        return squares + weight / variance * (prior.whiten(theta) ** 2).sum(axis=1)

    assert np.isclose(cost(fitted.theta)[0] / len(x), fitted.loss[0][0], rtol=1e-4)
    steps = 1e-5 * prior.unwhiten(np.linalg.qr(RANDOM.standard_normal((cpab.n_params,) * 2))[0])
    slopes = (cost(fitted.theta + steps) - cost(fitted.theta - steps)) / 2e-5
    start = (cost(steps) - cost(-steps)) / 2e-5
    assert np.abs(slopes).max() < 1e-3 * np.abs(start).max()


def test_moves_with_the_domain():
    """Translated and scaled landmarks have the translated and scaled map."""
    fitted = fit_landmarks(X, bent(X), (8, 8))
    moved = fit_landmarks(5 + 2 * X, 5 + 2 * bent(X), (8, 8), domain=((3, 7), (3, 7)))
    points = RANDOM.uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(moved(5 + 2 * points), 5 + 2 * fitted(points), rtol=0, atol=1e-5)
    np.testing.assert_allclose(moved.length_scale, 2 * fitted.length_scale)
    np.testing.assert_allclose(moved.weight, fitted.weight)


def test_axes_are_alike():
    fitted, swapped = fit_landmarks(X, bent(X), (8, 8)), fit_landmarks(X[:, ::-1], bent(X)[:, ::-1], (8, 8))
    points = RANDOM.uniform(-1, 1, (50, 2))
    np.testing.assert_allclose(swapped(points[:, ::-1])[..., ::-1], fitted(points), rtol=0, atol=1e-5)


def test_the_order_of_landmarks_does_not_matter():
    order = RANDOM.permutation(len(X))
    fitted, shuffled = fit_landmarks(X, bent(X), (8, 8)), fit_landmarks(X[order], bent(X)[order], (8, 8))
    np.testing.assert_allclose(shuffled(X), fitted(X), rtol=0, atol=1e-6)
    np.testing.assert_allclose(shuffled.distances[0], fitted.distances[0, order], rtol=0, atol=1e-6)


def test_the_inverse_takes_targets_to_sources():
    fitted = fit_landmarks(X, bent(X))
    assert np.abs(fitted(X)[0] - bent(X)).max() < 1e-3
    assert np.abs(fitted.inverse(fitted(X)) - X).max() < 1e-9
    assert np.abs(fitted.inverse(bent(X))[0] - X).max() < 1e-2


def test_a_batch_is_each_by_itself():
    target = np.stack([bent(X), X, X + 0.1 * RANDOM.standard_normal(X.shape)])
    fitted = fit_landmarks(X, target, (6, 6))
    for i, one in enumerate(target):
        alone = fit_landmarks(X, one, (6, 6))
        np.testing.assert_allclose(alone.theta[0], fitted.theta[i], rtol=0, atol=1e-8)  # but for how arrays are aligned
        assert (alone.message, alone.weight) == ((fitted.message[i],), fitted.weight[i : i + 1])
        np.testing.assert_allclose(fitted[i].distances, alone.distances, rtol=0, atol=1e-8)
        assert fitted[i].length_scale == alone.length_scale
    shared = fit_landmarks(target, X, (6, 6))
    assert len(shared) == 3
    np.testing.assert_allclose(shared[0].theta, fit_landmarks(target[0], X, (6, 6)).theta, rtol=0, atol=1e-8)


# -- what is chosen ------------------------------------------------------------------------------------


def test_better_than_any_affine_map_and_than_noise():
    """Of noisy landmarks, the map is nearer to the truth than the landmarks are."""
    source = RANDOM.uniform(-0.95, 0.95, (150, 2))
    sigma = 0.05
    noise = sigma * RANDOM.standard_normal(source.shape)
    for options in ({}, {"sigma": sigma}):
        fitted = fit_landmarks(source, bent(source) + noise, **options)
        error = np.sqrt(((fitted(source)[0] - bent(source)) ** 2).mean())
        assert error < 0.5 * sigma
        assert 1e-3 < fitted.weight[0] < 100
    assert fit_landmarks(source, bent(source)).weight[0] < 1e-3


def test_a_heavier_weight_moves_less():
    weights = [0.0, 1e-3, 0.1, 10.0]
    distances = [
        np.sqrt((fit_landmarks(X, bent(X), weight=w, length_scale=0.5).distances ** 2).mean()) for w in weights
    ]
    assert distances == sorted(distances)
    assert distances[0] < 1e-6
    assert distances[-1] > 1e-2


def test_length_scales_follow_the_data():
    random, count = np.random.default_rng(5), 120
    source = random.uniform(-1, 1, (count, 2))
    found = []
    for wave in (1.5, 9.0):
        target = source + 0.15 / wave * np.sin(wave * source[:, ::-1] + 0.3)
        found.append(fit_landmarks(source, target).length_scale[0])
    assert found[0] > 2 * found[1]
    assert fit_landmarks(X, bent(X), length_scale=0.33).length_scale.tolist() == [0.33]


def test_never_folds():
    """Though neighbours change places."""
    target = bent(X)
    pair = [0, int(np.argsort(((X - X[0]) ** 2).sum(axis=1))[1])]
    target[pair] = target[pair[::-1]]
    fitted = fit_landmarks(X, target)
    points = RANDOM.uniform(-1, 1, (500, 2))
    assert np.abs(fitted.inverse(fitted(points)) - points).max() < 1e-8
    assert "a fold in the data at landmarks" in fitted.message[0]
    assert all(str(i) in fitted.message[0] for i in pair)


# -- what is said --------------------------------------------------------------------------------------


def test_contradictions_are_named():
    source = X.copy()
    source[7] = source[2]
    message = fit_landmarks(source, bent(X)).message[0]
    assert "contradicting landmarks (2 and 7): one source" in message
    target = bent(X)
    target[4] = target[9]
    assert "contradicting landmarks (4 and 9): one target" in fit_landmarks(X, target).message[0]


def test_coincident_landmarks_are_one_that_counts_twice():
    twice = np.concatenate([X, X[:3]])
    fitted = fit_landmarks(twice, bent(twice), weight=1e-6, length_scale=0.5)
    assert "contradicting" not in fitted.message[0]
    points = RANDOM.uniform(-0.9, 0.9, (50, 2))
    once = fit_landmarks(X, bent(X), weight=1e-6, length_scale=0.5)
    np.testing.assert_allclose(fitted(points), once(points), rtol=0, atol=1e-3)


def test_lines_places_and_mirrors_are_said():
    line = np.stack([X[:, 0], 0.5 * X[:, 0]], axis=1)
    fitted = fit_landmarks(line, line + 0.1)
    assert "all sources lie on a line" in fitted.message[0]
    assert np.abs(fitted(X)[0] - (X + 0.1)).max() < 0.01  # beside it they go along
    assert "at one place" in fit_landmarks(np.zeros((4, 2)), np.full((4, 2), 0.1)).message[0]
    assert "mirror image" in fit_landmarks(X, X * [-1, 1], max_iterations=5).message[0]
    order = np.linspace(0, 1, 12)[:, None]
    crossed = order.copy()
    crossed[[4, 5]] = crossed[[5, 4]]
    assert "a fold in the data at landmarks 4 and 5" in fit_landmarks(order, crossed, domain=(0, 1)).message[0]


def test_smooth_data_get_no_remark():
    for fitted in (fit_landmarks(X, bent(X)), fit_landmarks(X, X)):
        assert fitted.converged.all()
        assert ";" not in fitted.message[0]


def test_few_landmarks_are_passed_through():
    fitted = fit_landmarks(X[:4], bent(X[:4]))
    assert fitted.distances.max() < 1e-5
    assert "too few landmarks to choose them by" in fitted.message[0]
    assert fit_landmarks(X[:3], bent(X[:3]), sigma=0.01).weight[0] > 1e-4


def test_an_end_before_the_optimum_is_said():
    fitted = fit_landmarks(X, bent(X), max_iterations=1)
    assert not fitted.converged.any()
    assert "stopped after 1 steps" in fitted.message[0]
    assert "raise weight" in fit_landmarks(X, 1e6 * X, weight=0, length_scale=0.3).message[0]


# -- plumbing ------------------------------------------------------------------------------------------


def test_results_are_frozen_and_pickled():
    fitted = fit_landmarks(X, bent(X), (4, 4))
    copy = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copy(X), fitted(X))
    assert np.array_equal(copy.weight, fitted.weight)
    assert np.array_equal(fitted.inverse.distances, fitted.distances)
    with pytest.raises(AttributeError):
        fitted.weight = None
    finer = fitted.refine(Cpab((8, 8), boundary="free", outside="nearest"))
    np.testing.assert_allclose(finer(X), fitted(X), rtol=0, atol=1e-9)


def test_more_landmarks_than_parameters():
    source = RANDOM.uniform(-1, 1, (400, 2))
    fitted = fit_landmarks(source, bent(source), (3, 3))
    assert fitted.converged.all()
    assert fitted.distances.mean() < 0.02


def test_no_items():
    fitted = fit_landmarks(np.zeros((0, 5, 2)), np.zeros((5, 2)))
    assert len(fitted) == 0
    assert fitted.distances.shape == (0, 5)
    assert fitted(X).shape == (0, 30, 2)


def test_float32_stays():
    fitted = fit_landmarks(X.astype("float32"), bent(X).astype("float32"))
    assert fitted.theta.dtype == np.float32
    assert np.abs(fitted(X.astype("float32"))[0] - bent(X)).max() < 1e-4


def test_ctrl_c_returns_the_best_so_far(monkeypatch):
    from cpabx.landmarks import solver

    jacobians = []
    whole = solver.linearised

    def interrupting(*arguments):
        jacobians.append(1)
        if len(jacobians) == 4:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(solver, "linearised", interrupting)
    fitted = fit_landmarks(X, np.stack([bent(X), bent(X)]))
    assert not fitted.converged.any()
    assert "stopped by Ctrl-C" in fitted.message[0]
    assert "not begun before Ctrl-C" in fitted.message[1]
    assert fitted.distances[0].max() < 0.05 < np.abs(bent(X) - X).max()
    assert np.array_equal(fitted[1](X)[0], X)


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals need the main thread")
def test_a_signal_is_seen():
    handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        many = RANDOM.uniform(-1, 1, (2000, 40, 2))
        fitted = fit_landmarks(many, bent(many))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert len(fitted) == 2000
    assert "Ctrl-C" in fitted.message[-1]


def test_progress():
    pytest.importorskip("rich")
    fitted = fit_landmarks(X, bent(X), (4, 4), progress=True)
    np.testing.assert_allclose(fitted.theta, fit_landmarks(X, bent(X), (4, 4)).theta, rtol=0, atol=1e-8)


def test_progress_without_rich(monkeypatch):
    monkeypatch.setitem(sys.modules, "rich.progress", None)
    with pytest.raises(MissingPackageError, match=r"cpabx\[align\]"):
        fit_landmarks(X, bent(X), (4, 4), progress=True)


# -- refusals ------------------------------------------------------------------------------------------

Y = bent(X)


@pytest.mark.parametrize(
    ("error", "words", "source", "target", "options"),
    [
        (ShapeError, "at least 3 landmarks", X[:2], Y[:2], {}),
        (ShapeError, "at least 2 landmarks", X[:1, :1], Y[:1, :1], {}),
        (ShapeError, "as many landmarks", X, Y[:-1], {}),
        (ShapeError, "as many landmarks", np.stack([X, X]), np.stack([Y] * 3), {}),
        (ShapeError, "source must be", X[:, 0], Y, {}),
        (ShapeError, "target must be", X, np.zeros((30, 4)), {}),
        (OptionError, "first landmark 3", X, np.where(np.arange(30)[:, None] == 3, np.nan, Y), {}),
        (OptionError, "landmark 0 of item 1", np.stack([X, X * np.inf]), Y, {}),
        (OptionError, "units of the domain", 64 * (X + 1), 64 * (Y + 1), {}),
        (OptionError, "sigma chooses", X, Y, {"sigma": 0.1, "weight": 0.1}),
        (OptionError, "weight", X, Y, {"weight": -1}),
        (OptionError, "sigma", X, Y, {"sigma": 0}),
        (OptionError, "length_scale", X, Y, {"length_scale": np.nan}),
        (OptionError, "max_iterations", X, Y, {"max_iterations": 0}),
        (OptionError, "progress", X, Y, {"progress": "yes"}),
        (OptionError, "2 axes", X, Y, {"cells": 4}),
        (OptionError, "3000 vertices", X, Y, {"cells": (60, 60)}),
        (OptionError, "can move", X, Y, {"cells": Cpab((1, 1), boundary="fixed", volume_preserving=True)}),
        (OptionError, "has its domain", X, Y, {"cells": Cpab((2, 2)), "domain": (0, 1)}),
        (OptionError, "may take 1 GiB", np.tile(X, (2500, 1)), np.tile(Y, (2500, 1)), {}),
        (TessellationError, "cells", X, Y, {"cells": "many"}),
        (TessellationError, "domain", X, Y, {"domain": (1, 0)}),
    ],
)
def test_refusals(error, words, source, target, options):
    with pytest.raises(error, match=words) as caught:
        fit_landmarks(source, target, **options)
    assert isinstance(caught.value, CpabxError)
    assert all((caught.value.asked, caught.value.received, caught.value.remedy))


def test_is_public():
    assert cpabx.fit_landmarks is fit_landmarks
    assert issubclass(cpabx.FittedLandmarks, cpabx.FittedTransformation)
