"""What fits return: maps of items that are applied, inverted, cut, refined, drawn and pickled."""

import pickle

import numpy as np
import pytest

import cpabx
from cpabx import Cpab, FittedTransformation
from cpabx.errors import OptionError

FAMILY = Cpab((3, 2), boundary="sliding")
POINTS = np.random.default_rng(0).uniform(-1, 1, (20, 2))


def fit(n=3, family=FAMILY):
    theta = cpabx.VelocityPrior(FAMILY, length_scale=0.5).sample(n, seed=0, dtype="float64", backend="numpy")
    return FittedTransformation(
        family, theta, (np.arange(n) + 1.0, np.arange(n) / 2), np.arange(n) % 2 == 0, tuple("abcdefg"[:n])
    )


def test_maps_points_as_the_family_does():
    fitted = fit()
    assert np.array_equal(fitted(POINTS), FAMILY.transform(POINTS, fitted.theta))


def test_the_inverse_undoes():
    fitted = fit()
    assert np.abs(fitted.inverse(fitted(POINTS)) - POINTS).max() < 1e-12
    assert np.array_equal(fitted.inverse.inverse(POINTS), fitted(POINTS))


def test_items_are_fits_of_their_own():
    fitted = fit()
    assert len(fitted) == 3
    for i in range(3):
        one = fitted[i]
        np.testing.assert_allclose(one(POINTS), fitted(POINTS)[i : i + 1], rtol=0, atol=1e-14)
        assert one.loss == (i + 1.0, i / 2)
        assert one.message == ("abc"[i],)
        assert one.converged.tolist() == [i % 2 == 0]
    assert np.array_equal(fitted[-1].theta, fitted[2].theta)
    assert len(fitted[1:]) == 2
    assert [len(one) for one in fitted] == [1, 1, 1]


@pytest.mark.parametrize("index", [3, -4, 0.5, "a"])
def test_items_that_do_not_exist(index):
    with pytest.raises(OptionError, match="3"):
        fit()[index]


def test_refined_maps_are_the_same():
    family = Cpab(4, boundary="fixed")
    fitted = FittedTransformation(family, family.sample(2, seed=0, dtype="float64", backend="numpy"))
    finer = fitted.refine(Cpab(8, boundary="fixed"))
    points = np.linspace(-1, 1, 50)[:, None]
    assert finer.transformation.tessellation.cells == (8,)
    assert np.abs(finer(points) - fitted(points)).max() < 1e-12
    with pytest.raises(OptionError, match="Cpab"):
        FittedTransformation(cpabx.Affine(), np.zeros((1, 6))).refine(FAMILY)


def test_warps_images_and_says_how_far():
    fitted, images = fit(), np.random.default_rng(1).uniform(size=(3, 6, 7, 2))
    assert np.array_equal(fitted.warp(images), FAMILY.warp(images, fitted.theta))
    pixels = fitted.displacement((6, 7), units="pixels")
    assert np.array_equal(pixels, FAMILY.grid(fitted.theta, (6, 7), units="pixels", displacement=True))


def test_unwarps_by_the_inverse():
    """Of a smooth image, what warping did is undone, but for two interpolations, which finer images need less."""
    fitted, errors = fit(), []
    for size in (65, 257):
        rows, columns = np.meshgrid(*2 * [np.linspace(-1, 1, size)], indexing="ij")
        images = np.repeat((np.sin(3 * rows) * np.cos(2 * columns))[None, :, :, None], 3, axis=0)
        back = fitted.unwarp(fitted.warp(images, padding_mode="border"), padding_mode="border")
        errors.append(np.abs(back - images).max())
    assert errors[1] < errors[0] / 3 < 0.01
    assert np.array_equal(fitted.unwarp(images), fitted.inverse.warp(images))
    away = fitted.inverse.displacement((5, 4))
    assert np.allclose(away, FAMILY.grid(fitted.theta, (5, 4), displacement=True, inverse=True))


def test_areas_of_the_inverse_are_reciprocal():
    fitted = fit()
    here = fitted.log_det_jacobian(POINTS)
    there = fitted.inverse.log_det_jacobian(fitted(POINTS))
    assert np.abs(here + there).max() < 1e-10
    assert np.abs(here).max() > 0.01


def test_folding_is_measured_on_the_grid_of_pixels():
    """None where maps are gentle; some where they stretch beyond what a coarse grid shows."""
    assert fit().folding((32, 32)).tolist() == [0, 0, 0]
    theta = 12 * fit().theta
    wild = FittedTransformation(FAMILY, theta).folding((12, 12))
    assert np.array_equal(wild, cpabx.stretch.folding(FAMILY, theta, (12, 12)))
    assert (wild > 0).any()


def test_is_pickled_and_describes_itself():
    fitted = fit()
    copy = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(copy(POINTS), fitted(POINTS))
    assert copy.message == fitted.message
    assert repr(fitted).startswith("<FittedTransformation: 3 x Cpab(cells=(3, 2)")
    assert "2 converged" in repr(fitted)
    assert "inverses of 3" in repr(fitted.inverse)


def test_is_drawn():
    pytest.importorskip("matplotlib").use("Agg")
    axes = fit().plot(1)
    assert axes.collections
