"""Fig. 3: what is measured of transformations."""

import numpy as np
import pytest

from cpabx import Affine, AffineDiffeo, Cpab, ThinPlateSpline
from cpabx_experiments.probes import robustness
from cpabx_experiments.probes.robustness import grid, jacobians, measured
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.training.engines import Training, TrainingDivergedError
from cpabx_experiments.training.run import perform
from experiments.tests.engine_cases import bars, disturbed, network
from experiments.tests.run_cases import FakeEngine, run_in


def test_the_jacobian_of_an_affine_map_is_its_matrix():
    theta = np.random.default_rng(0).standard_normal((5, 6))
    found = jacobians(Affine(), theta, grid())
    expected = theta.reshape(5, 1, 2, 3)[..., :2]
    assert np.abs(found - expected).max() < 1e-9


@pytest.mark.parametrize("family", [Cpab((4, 4)), ThinPlateSpline((4, 4))], ids=["Cpab", "ThinPlateSpline"])
def test_jacobians_are_those_of_differences(family):
    theta = family.identity(1) + 0.1 * np.random.default_rng(0).standard_normal((1, family.n_params))
    points, step = grid(), 1e-6
    found = jacobians(family, theta, points)
    for axis in (0, 1):
        wide = step * np.eye(2)[axis]
        difference = (family.transform(points + wide, theta) - family.transform(points - wide, theta)) / (2 * step)
        assert np.median(np.abs(found[..., axis] - difference)) < 1e-8


@pytest.mark.parametrize(("a", "b"), [(3.0, 0.5), (2.0, 2.0), (1e-3, 1e3)])
def test_singular_values_of_a_stretch_between_rotations(a, b):
    turn = lambda t: np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]])  # noqa: E731
    found = measured((turn(0.3) @ np.diag([a, b]) @ turn(1.1))[None, None])
    assert found["largest_condition"] == pytest.approx(max(a, b) / min(a, b))
    assert found["smallest_singular_value"] == pytest.approx(min(a, b))
    assert found["share_not_invertible"] == 0


def test_singular_and_mirroring_maps_are_counted():
    found = measured(np.array([np.diag([1.0, 0.0]), np.diag([1.0, -1.0]), np.eye(2), np.eye(2)]))
    assert found["largest_condition"] == np.inf
    assert found["smallest_singular_value"] == 0
    assert found["share_not_invertible"] == 0.5


def test_what_is_out_of_range_counts_as_singular():
    found = measured(np.array([np.eye(2), np.full((2, 2), np.inf), np.diag([np.nan, 1.0])]))
    assert found["largest_condition"] == np.inf
    assert found["smallest_singular_value"] == 0
    assert found["share_not_invertible"] == pytest.approx(2 / 3)


def test_a_network_whose_transformations_are_out_of_range_has_diverged(engine):
    """Not only in training: the last step of an epoch may be the one too far."""
    trainer = disturbed(engine.trainer(network("ST-CPAB"), Training(epochs=1), 0), size=1e4)
    data = bars(3)
    for ask in (lambda: trainer.accuracy(data), lambda: trainer.views(data.images), lambda: trainer.train(data)):
        with pytest.raises(TrainingDivergedError, match="Lower the learning rate"):
            ask()


def test_a_probe_of_transformations_out_of_range_says_so():
    class Wild:
        network = network("ST-CPAB")

        def theta(self, images):
            return np.full((len(images), 20), 1e5, np.float32)

    with pytest.raises(TrainingDivergedError):
        robustness.probe(Wild(), Material(bars(3), bars(3)))


def test_diffeomorphic_families_never_fail_to_be_invertible_where_others_do():
    """Requirement 2 of section 3.2, for thetas as large as no network should predict."""
    rng = np.random.default_rng(0)
    for family in (AffineDiffeo(), Cpab((4, 4))):
        found = measured(jacobians(family, rng.standard_normal((20, family.n_params)), grid()))
        assert found["share_not_invertible"] == 0
        assert found["smallest_singular_value"] > 0
    for other in (Affine(), ThinPlateSpline((4, 4))):
        assert measured(jacobians(other, rng.standard_normal((20, other.n_params)), grid()))["share_not_invertible"] > 0


def test_every_epoch_is_probed_and_divergence_counts_as_chance(tmp_path):
    pytest.importorskip("matplotlib")
    protocol = Protocol(
        data="mnist", models=("ST-Affine", "ST-AffineDiff"), training=Training(epochs=2), seeds=(0,), rates=(1e-3, 10.0)
    )
    run = run_in(tmp_path, FakeEngine(), protocol)
    run = type(run)(protocol, run.engine, run.source, tmp_path, robustness.probe)
    results = perform(run)
    for job, record in results.items():
        assert len(record.rows) == (0 if job.rate > 1 else 2)
        assert all(row.probes["largest_condition"] >= 1 for row in record.rows)
    files = robustness.finish(run, results)
    assert set(files) == set(robustness.FILES)
    table = [line.split(",") for line in files["robustness.csv"].decode().splitlines()[1:]]
    for _, rate, accuracy, trained, diverged in table:
        assert (trained, diverged) == (("0", "1") if float(rate) > 1 else ("1", "0"))
        assert (float(accuracy) == 0.1) == (float(rate) > 1)
