"""Before is the image, after is what `warp` gives, and both lie where the domain is."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import cpabx
from cpabx import plot
from cpabx.errors import OptionError, ShapeError, UnsupportedError

FAMILY = cpabx.Cpab((2, 2), boundary="sliding", domain=((0, 4), (0, 2)))
THETA = FAMILY.sample(seed=0, scale=0.6, dtype="float64")
IMAGE = np.random.default_rng(0).uniform(size=(10, 20, 3))


def shown(ax):
    (image,) = ax.images
    return np.asarray(image.get_array())


@pytest.mark.parametrize("options", [{}, {"mode": "nearest", "padding_mode": "border", "align_corners": True}])
def test_images_are_before_and_after(options):
    before, after = plot.before_after(FAMILY, IMAGE, THETA, **options)
    expected = FAMILY.warp(IMAGE[None], THETA, **options)[0]
    assert np.abs(expected - IMAGE).max() > 0.1
    np.testing.assert_array_equal(shown(before), IMAGE)
    np.testing.assert_allclose(shown(after), expected, atol=1e-12)


def test_grey_images_have_one_scale():
    """Not one each: equal values must look equal."""
    grey = IMAGE[..., 0] * 7 - 3
    before, after = plot.before_after(FAMILY, grey, THETA)
    np.testing.assert_array_equal(shown(before), grey)
    np.testing.assert_allclose(shown(after), FAMILY.warp(grey[None, ..., None], THETA)[0, ..., 0], atol=1e-12)
    assert before.images[0].get_clim() == after.images[0].get_clim() == (grey.min(), grey.max())


def test_bytes_are_0_to_255():
    before, _ = plot.before_after(FAMILY, (IMAGE * 255).astype(np.uint8), THETA)
    np.testing.assert_allclose(shown(before), IMAGE, atol=1 / 255)


@pytest.mark.parametrize("align_corners", [False, True])
def test_pixels_lie_where_warp_takes_them(align_corners):
    """Centres of pixels on paper are the points of the pixel grid."""
    from cpabx.sampling import pixel_grid

    before, _ = plot.before_after(FAMILY, IMAGE, THETA, align_corners=align_corners)
    left, right, bottom, top = before.images[0].get_extent()
    rows, columns = IMAGE.shape[:2]
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = top + (np.arange(rows) + 0.5) * (bottom - top) / rows
    centres = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(centres, pixel_grid((rows, columns), align_corners, FAMILY.domain).points, atol=1e-12)
    assert before.images[0].origin == "upper"
    assert before.get_ylim()[0] > before.get_ylim()[1]


def test_lines_on_the_left_are_where_lines_on_the_right_come_from():
    before, after = plot.before_after(FAMILY, IMAGE, THETA, n_lines=3)
    left, right = (np.array(ax.collections[-1].get_segments()) for ax in (before, after))
    assert left.shape == right.shape
    assert len(left) == 6
    for lines, vary in ((right[:3], 0), (right[3:], 1)):  # straight, along x and along y
        assert np.ptp(lines[..., 1 - vary], axis=1).max() == 0
        assert np.ptp(lines[..., vary], axis=1).min() == FAMILY.domain[vary][1]
    moved = FAMILY.transform(right.reshape(-1, 2), THETA)[0].reshape(right.shape)
    np.testing.assert_allclose(left, moved, atol=1e-12)


def test_no_lines_and_axes_of_ones_own():
    pair = plt.subplots(1, 2)[1]
    before, after = plot.before_after(FAMILY, IMAGE, THETA, n_lines=0, ax=pair)
    assert before is pair[0]
    assert after is pair[1]
    assert not before.collections


@pytest.mark.parametrize("shape", [(4,), (2, 4, 4, 3), (4, 4, 2), (0, 4, 3)])
def test_what_is_no_image(shape):
    with pytest.raises(ShapeError, match=r"image must be .* got shape \("):
        plot.before_after(FAMILY, np.zeros(shape), THETA)


def test_what_cannot_be_drawn():
    with pytest.raises(UnsupportedError, match="two dimensions"):
        plot.before_after(cpabx.Cpab(3), IMAGE, cpabx.Cpab(3).identity())
    with pytest.raises(OptionError, match="two axes"):
        plot.before_after(FAMILY, IMAGE, THETA, ax=plt.figure().add_subplot())
    with pytest.raises(OptionError, match="mode must be"):
        plot.before_after(FAMILY, IMAGE, THETA, mode="quintic")
