"""The pixels of an image as points, and what families keep for them."""

import numpy as np
import pytest

import cpabx
from cpabx.sampling import Sampling, pixel_grid
from cpabx.sampling import grid as module
from cpabx.transforms import base, tps

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
    """What belongs to all of their points would take too much memory, so it is computed each time."""
    images = np.random.default_rng(0).uniform(size=(2, *(4, 6, 5)[-family.ndim :], 2))
    theta = family.sample(2, seed=1, dtype="float64")
    expected = family.warp(images, theta)
    made = []
    for owner, name in ((tps, "_grid_matrix"), (module, "_kept_points"), (module, "_everywhere")):
        monkeypatch.setattr(owner, name, lambda *_: made.append(1))
    monkeypatch.setattr(module, "_SMALL", 0)
    for most in (2000, 0):  # the weights of a spline are kept, or not even these
        monkeypatch.setattr(tps, "MOST_KEPT", most)
        np.testing.assert_allclose(family.warp(images, theta), expected, rtol=0, atol=1e-13)
    assert not made
    assert base.MOST_KEPT > 0


@pytest.mark.parametrize("size", [(7,), (1,), (4, 5), (1, 3), (3, 2, 4), (2, 1, 1)])
@pytest.mark.parametrize("align_corners", [False, True])
def test_positions_are_exactly_the_same_kept_or_computed(size, align_corners, monkeypatch):
    backend, like = cpabx.get_backend("numpy"), np.zeros(1)
    grid = pixel_grid(size, align_corners, ((-1.0, 1.0), (0.1, 0.7), (-3.0, 9.0))[: len(size)])
    kept = grid.tensor(backend, like=like)
    monkeypatch.setattr(module, "_SMALL", 0)
    computed = grid.tensor(backend, like=like)
    assert kept.shape == computed.shape == (1, grid.n_points, len(size))
    assert np.array_equal(kept, computed)


@pytest.mark.parametrize("size", [(7,), (4, 5), (3, 2, 4)])
@pytest.mark.parametrize("n_rows", [1, 2, 3])
@pytest.mark.parametrize("small", [0, 1 << 17])
def test_affine_maps_of_positions(size, n_rows, small, monkeypatch):
    n, generator = len(size), np.random.default_rng(0)
    monkeypatch.setattr(module, "_SMALL", small)
    grid = pixel_grid(size, False, ((-1.0, 1.0), (0.0, 2.0), (-3.0, 1.0))[:n])
    matrices = generator.standard_normal((2, n_rows, n + 1))
    got = grid.affine(cpabx.get_backend("numpy"), matrices.reshape(2, -1), n_rows)
    homogeneous = np.concatenate([grid.points, np.ones((grid.n_points, 1))], axis=1)
    np.testing.assert_allclose(got, homogeneous @ np.swapaxes(matrices, 1, 2), rtol=0, atol=1e-14)


def test_splines_on_one_grid_do_not_mix():
    """What is kept belongs to the control points and the grid."""
    images = np.random.default_rng(0).uniform(size=(1, 6, 5, 1))
    for size in ((6, 5), (5, 6)):
        for control in ((2, 3), (3, 2), (2, 3)):
            family = cpabx.ThinPlateSpline(control)
            theta = family.sample(1, seed=2, dtype="float64")
            grid = pixel_grid(size, False, (UNIT, UNIT))
            moved = family.transform(grid.points, theta).reshape(1, *size, 2)
            expected = cpabx.get_backend("numpy").sample(images, moved, Sampling())
            np.testing.assert_allclose(family.warp(images, theta, size), expected, rtol=0, atol=1e-13)
