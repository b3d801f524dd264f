"""Distorted digits: where ink goes, how much of it there is, and that nothing but seed and index matter."""

import numpy as np
import pytest

from cpabx.errors import OptionError
from cpabx_experiments import data
from cpabx_experiments.data import distortions

SIDE, CANVAS = 28, 42


def blobs(n, seed=0, sigma=2.0):
    """Two Gaussian spots of different weight each: wide enough for sums over pixels to be integrals."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.zeros((n, SIDE, SIDE))
    for weight in (0.6, 0.4):
        cy, cx = rng.uniform(10, 17, (2, n, 1, 1))
        image += weight * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2))
    image[image < 1e-3] = 0
    return image[..., None].astype(np.float32)


def moments(images):
    """Mass, centre (x, y) from the middle and covariance of each image."""
    weight = images[..., 0].astype(float)
    axis = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    mass = weight.sum((1, 2))
    centre = np.stack([weight.sum(1) @ axis, weight.sum(2) @ axis], -1) / mass[:, None]
    second = np.stack([np.einsum("nyx,x,x->n", weight, axis, axis), np.einsum("nyx,x,y->n", weight, axis, axis)], -1)
    second = np.concatenate([second, np.einsum("nyx,y,y->n", weight, axis, axis)[:, None]], -1) / mass[:, None]
    xx, xy, yy = second.T - np.stack([centre[:, 0] ** 2, centre[:, 0] * centre[:, 1], centre[:, 1] ** 2])
    return mass, centre, np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2)


@pytest.mark.parametrize("distort", [distortions.rts, distortions.cpab, distortions.sliding])
class TestAll:
    def test_the_nth_image_depends_on_seed_and_n_alone(self, distort):
        images = blobs(distortions.CHUNK + 40)
        whole = distort(images, CANVAS, seed=5)
        for n in (1, 7, distortions.CHUNK, distortions.CHUNK + 3):
            np.testing.assert_array_equal(distort(images[:n], CANVAS, seed=5), whole[:n])
        assert (distort(images[:9], CANVAS, seed=6) != whole[:9]).any((1, 2, 3)).all()

    def test_shape_range_and_channels(self, distort):
        images = blobs(5)
        distorted = distort(images, CANVAS, seed=0)
        assert distorted.shape == (5, CANVAS, CANVAS, 1)
        assert distorted.dtype == np.float32
        assert distorted.min() >= 0
        assert distorted.max() <= 1
        colours = np.concatenate([images, images / 2, images * 0], -1)  # what moves one channel moves all
        moved = distort(colours, CANVAS, seed=0)
        np.testing.assert_array_equal(moved[..., :1], distorted)
        np.testing.assert_allclose(moved[..., 1], distorted[..., 0] / 2, atol=1e-6)
        assert not moved[..., 2].any()

    def test_bytes_are_255ths(self, distort):
        images = (blobs(3) * 255).astype(np.uint8)
        expected = distort(images.astype(np.float32) / 255, CANVAS, seed=0)
        np.testing.assert_array_equal(distort(images, CANVAS, seed=0), expected)

    def test_an_empty_image_stays_empty(self, distort):
        assert not distort(np.zeros((2, SIDE, SIDE, 1), np.float32), CANVAS, seed=0).any()

    def test_no_images(self, distort):
        assert distort(np.zeros((0, SIDE, SIDE, 1), np.float32), CANVAS, seed=0).shape == (0, CANVAS, CANVAS, 1)

    def test_impossible_sizes(self, distort):
        with pytest.raises(OptionError, match="canvas must"):
            distort(np.ones((300, SIDE, SIDE, 1), np.float32), SIDE, seed=0)
        with pytest.raises(OptionError, match="square; got 28 x 27"):
            distort(np.ones((1, SIDE, SIDE - 1, 1), np.float32), CANVAS, seed=0)


@pytest.mark.parametrize("distort", [distortions.rts, distortions.cpab])
def test_all_of_the_canvas_is_used(distort):
    """Ink touches all sides, in some image, and never has to leave."""
    ink = distort(blobs(600), CANVAS, seed=0)[..., 0] > 0
    rows, columns = ink.any(2), ink.any(1)
    for used in (rows, columns):
        assert used[:, :2].any()
        assert used[:, -2:].any()


def drawn(n, seed):
    """Angle, factor and place as the documentation has them, drawn as the module draws."""
    u = np.random.default_rng((seed, 0)).random((-(-n // distortions.CHUNK) * distortions.CHUNK, 4))[:n]
    return np.deg2rad(-45 + 90 * u[:, 0]), 0.7 + 0.5 * u[:, 1]


def test_rts_is_a_similarity():
    """Mass grows by s^2: nothing left the canvas. Covariances turn by the angle and grow by s^2."""
    images, n = blobs(200), 200
    angles, scales = drawn(n, 11)
    mass, _, covariance = moments(images)
    new_mass, _, new_covariance = moments(distortions.rts(images, CANVAS, seed=11))
    np.testing.assert_allclose(new_mass / mass, scales**2, rtol=1e-2)
    rotation = np.stack(
        [np.stack([np.cos(angles), -np.sin(angles)], -1), np.stack([np.sin(angles), np.cos(angles)], -1)]
    )
    rotation = rotation.transpose(1, 0, 2)
    back = rotation.transpose(0, 2, 1)
    expected, mirrored = (
        scales[:, None, None] ** 2 * turned for turned in (rotation @ covariance @ back, back @ covariance @ rotation)
    )
    # A linear interpolation of the image adds up to a quarter of its squared pixel to a variance, s^2 / 4 here.
    tolerance = 0.25 * 1.2**2 + 0.05
    np.testing.assert_allclose(new_covariance, expected, atol=tolerance)
    assert np.abs(expected - mirrored).max() > 10 * tolerance  # an angle of the wrong sign would be seen


def test_rts_places_ink_evenly():
    """One spot, which has the same box whatever the angle: its place is uniform in each direction."""
    from scipy.stats import kstest

    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    spot = np.exp(-(x**2 + y**2) / 8) * (x**2 + y**2 < 36)
    images = np.tile(spot[None, :, :, None], (600, 1, 1, 1)).astype(np.float32)
    _, centre, _ = moments(distortions.rts(images, CANVAS, seed=2))
    angles, scales = drawn(600, 2)
    turned = np.stack([np.cos(angles), -np.sin(angles), np.sin(angles), np.cos(angles)], -1).reshape(-1, 2, 2)
    inside = np.stack([x[spot > 0], y[spot > 0]])
    box = (turned @ inside).max(-1) * scales[:, None] + (scales * (abs(np.cos(angles)) + abs(np.sin(angles))))[:, None]
    where = centre / (CANVAS + 1 - 2 * box)
    for direction in where.T:
        assert kstest(direction + 0.5, "uniform").pvalue > 1e-3


def test_cpab_bends_by_its_family_and_moves_by_whole_pixels():
    """Each result is the warp of the centred image by the drawn theta, somewhere else."""
    images = blobs(50)
    bent = distortions.cpab(images, CANVAS, seed=4)
    theta = 0.7 * np.random.default_rng((4, 1)).standard_normal((50, 58))
    centred = np.pad(images, ((0, 0), (7, 7), (7, 7), (0, 0)))
    expected = distortions.BENDING.warp(centred, theta.astype(np.float32))
    assert np.abs(expected - centred).max((1, 2, 3)).min() > 0.05  # all are bent
    for one, other in zip(bent, expected, strict=True):
        np.testing.assert_allclose(_inked(one), _inked(other), atol=1e-5)


def _inked(image):
    ink = image[..., 0] > 1e-6
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, 0]


def test_cpab_keeps_ink_on_the_canvas(monkeypatch):
    """With five times the strength ink would leave; then theta is halved until it does not."""
    monkeypatch.setattr(distortions, "STRENGTH", 3.5)
    images = np.zeros((60, SIDE, SIDE, 1), np.float32)
    images[:, 4:24, 4:24] = 1
    theta = 3.5 * np.random.default_rng((0, 1)).standard_normal((60, 58))
    centred = np.pad(images, ((0, 0), (7, 7), (7, 7), (0, 0)))
    as_drawn = distortions.BENDING.warp(centred, theta.astype(np.float32))
    assert _on_border(as_drawn).mean() > 0.3
    bent = distortions._bent(centred, theta)
    assert not _on_border(bent).any()
    same = ~_on_border(as_drawn)
    np.testing.assert_allclose(bent[same], as_drawn[same], atol=1e-6)
    assert np.abs(bent - centred).max((1, 2, 3)).min() > 0.1


def _on_border(images):
    return (images[:, [0, -1]] > 0).any((1, 2, 3)) | (images[:, :, [0, -1]] > 0).any((1, 2, 3))


def test_sliding_bends_all_of_a_canvas_by_its_family():
    """Each result is the warp, by the drawn theta, of the image at the drawn place."""
    images = blobs(50)
    corners = np.random.default_rng(4).integers(0, 15, (50, 2))
    theta = 0.5 * np.random.default_rng(4).standard_normal((50, 34))
    canvas = np.zeros((50, CANVAS, CANVAS, 1), np.float32)
    for image, whole, (row, column) in zip(images, canvas, corners, strict=True):
        whole[row : row + SIDE, column : column + SIDE] = image
    expected = distortions.SLIDING.warp(canvas, theta.astype(np.float32))
    np.testing.assert_allclose(distortions.sliding(images, CANVAS, seed=4), expected, atol=1e-6)
    assert np.abs(expected - canvas).max((1, 2, 3)).min() > 0.05  # all are bent
    assert len(np.unique(corners)) == 15  # and everywhere


def test_a_data_set_is_distorted_with_its_labels():
    digits = data.Dataset("d", blobs(4), np.arange(4))
    distorted = distortions.distort("rts", digits, seed=3)
    np.testing.assert_array_equal(distorted.images, distortions.rts(digits.images, 42, 3))
    assert distorted.labels is digits.labels
    with pytest.raises(OptionError, match="rts, cpab, sliding; got 'tps'"):
        distortions.distort("tps", digits, seed=3)
