"""The portable walk against libcpab, and against an integrator that shares nothing with either."""

import numpy as np
import pytest

import cpabx
from cpabx import export
from cpabx.errors import OptionError, UnsupportedError
from cpabx.portable import NumpyOperations, Strides, transform
from cpabx.portable.complex import complex_of
from cpabx.portable.counting import strides_of
from cpabx.testing.oracle_nd import OracleND

FAMILIES = [
    cpabx.Cpab((5,)),
    cpabx.Cpab((3,), boundary="sliding", domain=(0, 3)),
    cpabx.Cpab((4, 4)),
    cpabx.Cpab((3, 2), outside="nearest", domain=[(0, 2), (-3, 1)]),
    cpabx.Cpab((3, 3), boundary="fixed"),
    cpabx.Cpab((2, 3, 2)),
    cpabx.Cpab((2, 2, 2), outside="nearest"),
]
IDS = [f"{family.tessellation.cells}-{family.boundary}-{family.tessellation.outside}" for family in FAMILIES]

each_family = pytest.mark.parametrize("family", FAMILIES, ids=IDS)


def points_of(family, n, seed=0):
    """Within and beyond the domain, and those of a regular grid, which lie on faces and vertices."""
    tess, rng = family.tessellation, np.random.default_rng(seed)
    spread = rng.uniform(-0.2, 1.2, (n, tess.ndim))
    regular = np.stack(np.meshgrid(*[np.linspace(0, 1, 9)] * tess.ndim), -1).reshape(-1, tess.ndim)
    return tess.lower + np.concatenate([spread, regular]) * (tess.upper - tess.lower)


def theta_of(family, n=4, scale=0.5, seed=0):
    extent = float((family.tessellation.upper - family.tessellation.lower).min()) / 2
    return np.random.default_rng(seed).normal(0, scale * extent, (n, family.n_params))


def off(family, got, wanted):
    """As a part of the domain, or of where the point went from there."""
    extent = (family.tessellation.upper - family.tessellation.lower).max()
    return (np.abs(got - wanted) / np.maximum(np.abs(wanted), extent)).max()


@each_family
@pytest.mark.parametrize("time", [1.0, -0.7])
def test_as_libcpab(family, time):
    theta, points = theta_of(family).astype(np.float32), points_of(family, 200).astype(np.float32)
    velocity = family.velocity(theta)
    strides = strides_of(points[None], velocity, family.tessellation, time)
    with export.portable(strides):
        got = family.transform(points, theta, time=time)
    assert got.dtype == np.float32
    assert off(family, got, family.transform(points, theta, time=time)) <= 1e-5


@each_family
def test_roundings_are_those_of_libcpab(family):
    """In the mean of their squares; those of a position, which is larger than what it has moved by, add up to more."""
    theta, points = theta_of(family, 20, 0.2).astype(np.float32), points_of(family, 200).astype(np.float32)
    exact = family.transform(points.astype(float), theta.astype(float))
    with export.portable(60):
        got = family.transform(points, theta)
    errors = [np.square(found - exact).mean() ** 0.5 for found in (got, family.transform(points, theta))]
    assert errors[0] <= 1.5 * errors[1]


@each_family
def test_as_libcpab_to_all_digits_of_float64(family):
    theta, points = theta_of(family, scale=0.3), points_of(family, 100)
    with export.portable(Strides(60, reach=0.5, order=14, refinements=2)):
        got = family.transform(points, theta)
    assert off(family, got, family.transform(points, theta)) <= 1e-10


@pytest.mark.parametrize("family", FAMILIES[2:6:3], ids=IDS[2:6:3])
def test_as_another_integrator(family):
    theta, points, tess = theta_of(family, 1, 0.3), points_of(family, 10)[:10], family.tessellation
    oracle = OracleND(
        tess.vertices, tess.cell_vertices, family.velocity(theta)[0], tess.lower, tess.upper, tess.outside
    )
    with export.portable(Strides(60, reach=0.5, order=14, refinements=2)):
        got = family.transform(points, theta)[0]
    assert off(family, got, np.stack([oracle.flow(point) for point in points])) <= 1e-9


@each_family
def test_too_few_strides_are_not_a_wrong_answer(family):
    """What has arrived is right, and all else is NaN."""
    theta, points = theta_of(family, scale=1.0), points_of(family, 50)
    with export.portable(2):
        got = family.transform(points, theta)
    lost = np.isnan(got).any(-1)
    assert lost.any()
    assert not lost.all()
    assert np.isnan(got[lost]).all()
    assert off(family, got[~lost], family.transform(points, theta)[~lost]) <= 1e-5


@pytest.mark.parametrize("shape", [(1, 7), (3, 7)])
def test_points_of_one_item_or_of_each(shape):
    family = cpabx.Cpab((3, 3))
    points, theta = np.random.default_rng(0).uniform(-1, 1, (*shape, 2)), theta_of(family, 3, 0.3)
    with np.errstate(all="ignore"):
        got = transform(NumpyOperations(), points, family.velocity(theta), family.tessellation, 1.0, Strides(20, 0.5))
    assert off(family, got, family.transform(points if shape[0] == 3 else points[0], theta)) <= 1e-5


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_lost_alone(bad):
    family = cpabx.Cpab((3, 3))
    points, theta = points_of(family, 3), theta_of(family, 2, 0.2)
    points[1], theta[1] = bad, bad
    with export.portable(30):
        got = family.transform(points, theta)
    assert np.isnan(got[1]).all()
    assert np.isnan(got[0, 1]).all()
    assert np.isfinite(np.delete(got[0], 1, 0)).all()


def test_every_simplex_is_behind_its_neighbours():
    """A face has the same nodes from both sides, and coordinates are 1 at their node and 0 at the others."""
    for family in FAMILIES:
        complex_ = complex_of(family.tessellation)
        for cell, row in enumerate(complex_.neighbours):
            for slot, other in enumerate(row):
                if other == cell:
                    continue
                face = set(np.delete(complex_.nodes[cell], slot))
                assert face <= set(complex_.nodes[other])
                assert cell in complex_.neighbours[other]
        assert (complex_.start >= -1).all()


def test_strides_are_counted_on_samples():
    family = cpabx.Cpab((4, 4))
    points, theta = points_of(family, 100), theta_of(family, 2)
    strides = export.strides_for(family.transform, points, theta)
    with export.portable(strides):
        assert np.isfinite(family.transform(points, theta)).all()
    assert export.strides_for(family.transform, points, 0 * theta).number < strides.number
    assert export.strides_for(cpabx.Affine().transform, points, np.zeros((1, 6))) == Strides(1)


def test_a_field_that_is_too_steep_is_refused():
    family = cpabx.Cpab((4, 4))
    with pytest.raises(UnsupportedError, match="smaller theta"):
        export.strides_for(family.transform, points_of(family, 50), theta_of(family, 1, 100.0))


def test_images_are_warped_in_parts():
    family, images = cpabx.Cpab((3, 3)), np.random.default_rng(0).random((2, 9, 8, 1))
    theta = theta_of(family, 2, 0.3)
    with export.portable(30):
        got = family.warp(images, theta)
    np.testing.assert_allclose(got, family.warp(images, theta), atol=1e-4)


@pytest.mark.parametrize("strides", [0, -1, 2.5, "many", None])
def test_impossible_strides(strides):
    with pytest.raises(OptionError, match="positive number"), export.portable(strides):
        pass


def test_a_backend_without_exports_says_so():
    with pytest.raises(UnsupportedError, match="numpy"):
        export.onnx(lambda x: x, (), backend="numpy")


def test_fields_that_are_not_finite_are_not_counted():
    """They would take any number of strides: the error is about NaN, not about their number."""
    family = cpabx.Cpab((2, 2))
    velocity = np.full((1, len(family.tessellation.vertices), 2), np.nan)
    with pytest.raises(UnsupportedError, match="NaN"):
        strides_of(np.zeros((1, 3, 2)), velocity, family.tessellation, 1.0)


def test_samples_for_onnx_are_a_tuple():
    with pytest.raises(OptionError, match="tuple"):
        export.onnx(lambda x: x, np.zeros((2, 3)))


def test_a_folder_that_does_not_exist_is_said_before_the_model_runs(tmp_path):
    with pytest.raises(OptionError, match="Make the folder"):
        export.onnx(lambda x: x, (np.zeros((2, 3)),), tmp_path / "none" / "model.onnx")
