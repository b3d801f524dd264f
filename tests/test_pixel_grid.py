"""The pixels of an image as points, and what families keep for them."""

import numpy as np
import pytest

import cpabx
from cpabx.pixel_grid import pixel_grid
from cpabx.transforms import affine, base, homography, tps

UNIT = (-1.0, 1.0)
FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(),
    cpabx.Affine(ndim=1),
    cpabx.AffineDiffeo(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 2)),
]


def test_x_is_fastest_and_along_the_last_axis():
    points = pixel_grid((2, 3, 4), False, (UNIT, (0.0, 3.0), (10.0, 12.0))).points.reshape(2, 3, 4, 3)
    np.testing.assert_allclose(points[0, 0, :, 0], [-0.75, -0.25, 0.25, 0.75])
    np.testing.assert_allclose(points[0, :, 0, 1], [0.5, 1.5, 2.5])
    np.testing.assert_allclose(points[:, 0, 0, 2], [10.5, 11.5])
    for axis in range(3):
        others = tuple(k for k in range(3) if k != 2 - axis)
        assert (np.ptp(points[..., axis], axis=others) == 0).all()


def test_aligned_corners_are_on_the_border_and_one_pixel_is_in_the_middle():
    points = pixel_grid((3, 1), True, ((0.0, 4.0), (-1.0, 1.0))).points
    np.testing.assert_allclose(points, [[2, -1], [2, 0], [2, 1]])


def test_grids_are_shared_and_cannot_be_written_to():
    grid = pixel_grid((4, 5), False, (UNIT, UNIT))
    assert pixel_grid((4, 5), False, (UNIT, UNIT)) is grid
    with pytest.raises(ValueError, match="read-only"):
        grid.points[0] = 0


@pytest.mark.parametrize("family", FAMILIES, ids=repr)
def test_grids_too_large_to_keep_give_the_same(family, monkeypatch):
    """A matrix for all of their points would take too much memory, so they go the general way."""
    images = np.random.default_rng(0).uniform(size=(2, *(4, 6, 5)[-family.ndim :], 2))
    theta = family.sample(2, seed=1, dtype="float64")
    expected = family.warp(images, theta)
    made = []
    for module in (affine, homography, tps):
        monkeypatch.setattr(module, "MOST_KEPT", 0)
        monkeypatch.setattr(module, "_grid_matrix", lambda *_: made.append(1))
    np.testing.assert_allclose(family.warp(images, theta), expected, rtol=0, atol=1e-13)
    assert not made
    assert base.MOST_KEPT > 0


def test_splines_on_one_grid_do_not_mix():
    """What is kept belongs to the control points and the grid."""
    images = np.random.default_rng(0).uniform(size=(1, 6, 5, 1))
    for size in ((6, 5), (5, 6)):
        for control in ((2, 3), (3, 2), (2, 3)):
            family = cpabx.ThinPlateSpline(control)
            theta = family.sample(1, seed=2, dtype="float64")
            grid = pixel_grid(size, False, (UNIT, UNIT))
            moved = family.transform(grid.points, theta).reshape(1, *size, 2)
            expected = cpabx.get_backend("numpy").sample(images, moved, padding_mode="zeros", align_corners=False)
            np.testing.assert_allclose(family.warp(images, theta, size), expected, rtol=0, atol=1e-13)
