"""Fig. 6c: principal components of theta."""

import numpy as np
import pytest

from cpabx import Affine, Cpab
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.probes import pca
from cpabx_experiments.probes.pca import components, translation, varied
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.training.engines import Training
from cpabx_experiments.training.run import perform
from experiments.tests.run_cases import FakeEngine, run_in


def test_components_are_eigenvectors_of_the_covariance():
    rng = np.random.default_rng(0)
    theta = rng.standard_normal((50, 6)) @ rng.standard_normal((6, 6)) + 3
    found = components(theta)
    values, vectors = np.linalg.eigh(np.cov(theta.T))
    assert found.deviations**2 == pytest.approx(values[::-1])
    assert found.shares == pytest.approx(values[::-1] / values.sum())
    assert np.abs(found.axes @ vectors[:, ::-1]) == pytest.approx(np.eye(6), abs=1e-9)
    assert found.mean == pytest.approx(theta.mean(0))


def test_components_of_scikit_learn():
    decomposition = pytest.importorskip("sklearn.decomposition")
    theta = np.random.default_rng(1).standard_normal((30, 5)) * np.arange(1, 6)
    theirs, ours = decomposition.PCA().fit(theta), components(theta)
    assert ours.shares == pytest.approx(theirs.explained_variance_ratio_)
    assert np.abs(ours.axes) == pytest.approx(np.abs(theirs.components_), abs=1e-9)


@pytest.mark.parametrize("theta", [np.ones((1, 6)), np.ones((9, 6))])
def test_thetas_that_are_all_the_same_are_refused(theta):
    with pytest.raises(ExperimentError, match="differ"):
        components(theta)


def test_a_translation_is_told_from_a_scaling():
    shifts = np.tile([1.0, 0, 0, 0, 1, 0], (4, 1))
    shifts[:, 2] = [-1, 0, 0, 1]
    x, y, share = translation(Affine(), components(shifts), 0)
    assert (x, y, share) == pytest.approx((np.sqrt(2 / 3), 0, 1))
    scales = np.tile([1.0, 0, 0, 0, 1, 0], (4, 1))
    scales[:, 0] = [0.5, 1, 1, 1.5]
    assert translation(Affine(), components(scales), 0)[2] < 1e-12


def test_in_the_middle_of_the_picture_is_the_mean_transformation():
    family = Cpab((2, 2))
    theta = family.sample(9, seed=0, scale=0.2, backend="numpy").astype(np.float64)
    image = np.random.default_rng(0).random((8, 8, 1), np.float32)
    found = varied(family, components(theta), 0, image, (8, 8))
    expected = family.warp(image[None], theta.mean(0, keepdims=True).astype(np.float32))
    assert found.shape == (5, 8, 8, 1)
    assert found[2] == pytest.approx(expected[0], abs=1e-5)
    assert np.abs(found[0] - found[4]).max() > 1e-3


def test_files_are_written_for_the_first_job(tmp_path):
    pytest.importorskip("matplotlib")
    protocol = Protocol(data="mnist", models=("ST-Affine",), training=Training(epochs=1), seeds=(0,))
    run = run_in(tmp_path, FakeEngine(), protocol)
    files = pca.finish(run, perform(run))
    assert set(files) == set(pca.FILES)
    assert len(files["theta.csv"].splitlines()) == 1 + 20
    assert len(files["pca.csv"].splitlines()) == 1 + 6
