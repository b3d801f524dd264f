"""The truth agrees with formulas that it does not use."""

import numpy as np
import pytest

import cpabx
from benchmarks import truth

POINTS = np.random.default_rng(0).uniform(-1, 1, size=(3, 7, 2))


@pytest.mark.parametrize(
    "family",
    [
        cpabx.Cpab((2, 3)),
        cpabx.Cpab((2, 3), boundary="sliding"),
        cpabx.Affine(),
        cpabx.Homography(),
        cpabx.ThinPlateSpline((4, 3)),
    ],
    ids=lambda family: repr(family)[:20],
)
def test_every_family_moves_points_as_its_truth_says(family):
    theta = family.sample(3, seed=1, backend="numpy", dtype="float64")
    expected = truth.moved(family, np.asarray(theta), POINTS)
    np.testing.assert_allclose(family.transform(POINTS, theta), expected, rtol=0, atol=1e-12)


def test_interpolation_is_exact_for_planes_inside_and_zero_beyond():
    height, width = 4, 6
    x, y = (np.arange(width) + 0.5) / width * 2 - 1, (np.arange(height) + 0.5) / height * 2 - 1
    image = 2 + 3 * x + 5 * y[:, None]
    inside = POINTS[:1] * [1 - 1 / width, 1 - 1 / height]
    expected = 2 + inside @ [3, 5]
    np.testing.assert_allclose(truth.interpolated(image[None], inside), expected, atol=1e-14)
    assert truth.interpolated(image[None], np.array([[[1 + 1.0 / width, 0], [0, -9]]])).tolist() == [[0, 0]]


def test_errors_are_largest_and_mean_distances():
    assert truth.errors(np.array([[3.0, 4.0], [0, 1]]), np.zeros((2, 2))) == (5, 3)
