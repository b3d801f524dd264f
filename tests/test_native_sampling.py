"""Sampling and warping of numpy arrays by libcpab; values are the conformance suite's, laws libcpab's own tests'."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import cpabx
from cpabx.errors import ShapeError
from cpabx.native import Image, arrays

SIZES = [(7,), (5, 4), (4, 3, 5)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)
each_layout = pytest.mark.parametrize("channels_last", [False, True], ids=["first", "last"])
each_sharing = pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])


def drawn(image, n_points, shared=False):
    """Data, points and cotangents of two images."""
    rng = np.random.default_rng(5)
    points = rng.uniform(-1.5, 1.5, (1 if shared else 2, n_points, image.ndim))
    grad_out = rng.standard_normal(image.results_shape(2, (n_points,)))
    return rng.standard_normal(image.data_shape(2)), points, grad_out


@each_size
@each_layout
def test_image_of_a_shape(size, channels_last):
    """A backend describes its images by their shape, whichever its layout."""
    expected = Image(size, 3, channels_last, padding="border", mode="nearest", align_corners=True)
    shape = expected.data_shape(2)
    options = {"mode": "nearest", "padding_mode": "border", "align_corners": True}
    assert Image.of_shape(shape, channels_last=channels_last, **options) == expected


@each_size
@each_layout
@each_sharing
def test_scipy_agrees(size, channels_last, shared):
    """In both layouts, by another interpolation: (x, y, z) of points, (z, y, x) of arrays."""
    image = Image(size, 3, channels_last, padding="reflection", align_corners=True)
    data, points, _ = drawn(image, 50, shared)
    got = arrays.sample(data, points, image)
    pixel = ((points + 1) / 2 * (np.array(size) - 1))[..., ::-1]
    for item, channel in itertools.product(range(2), range(3)):
        one = data[item, ..., channel] if channels_last else data[item, channel]
        expected = map_coordinates(one, pixel[0 if shared else item].T, order=1, mode="mirror")
        out = got[item, :, channel] if channels_last else got[item, channel]
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


@each_size
@each_layout
@each_sharing
def test_gradients_are_differences(size, channels_last, shared):
    image = Image(size, 2, channels_last, padding="border")
    data, points, grad_out = drawn(image, 30, shared)
    rng, h = np.random.default_rng(6), 1e-7
    grads = arrays.sample_vjp(data, points, grad_out, image)
    along = [rng.standard_normal(a.shape) for a in (data, points)]
    for which, grad in enumerate(grads):
        assert grad.shape == along[which].shape
        step = [h * t if i == which else 0 for i, t in enumerate(along)]
        ahead, behind = (arrays.sample(data + s * step[0], points + s * step[1], image) for s in (1, -1))
        terms = grad_out * (ahead - behind) / (2 * h)
        assert abs((grad * along[which]).sum() - terms.sum()) <= 1e-6 * np.abs(terms).sum()
    assert arrays.sample_vjp(data, points, grad_out, image, need_data=False)[0] is None
    only = arrays.sample_vjp(data, points, grad_out, image, need_points=False)
    assert only[1] is None
    assert np.array_equal(only[0], grads[0])


@each_size
@each_layout
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_warp_is_transform_then_sample(size, channels_last, dtype):
    """Values and both gradients of the fused call, on the grid of the output's pixels."""
    image = Image(size, 2, channels_last, padding="border", align_corners=True)
    tess, rng, output_size = (
        cpabx.Tessellation((3, 2, 2)[: image.ndim]),
        np.random.default_rng(7),
        (6, 7, 3)[: len(size)],
    )
    velocity = (0.3 * rng.standard_normal((2, tess.n_vertices, image.ndim))).astype(dtype)
    data = rng.standard_normal(image.data_shape(2)).astype(dtype)
    grad_out = rng.standard_normal(image.results_shape(2, output_size)).astype(dtype)
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in output_size[::-1]), indexing="ij")
    grid = np.stack(axes[::-1], axis=-1).reshape(1, -1, image.ndim).astype(dtype)

    moved = arrays.transform(grid, velocity, tess, 0.7)
    expected = arrays.sample(data, moved, image)
    grad_data, grad_moved = arrays.sample_vjp(data, moved, grad_out.reshape(expected.shape), image)
    _, grad_velocity = arrays.transform_vjp(grid, velocity, grad_moved, tess, 0.7)

    tolerance = 1e-4 if dtype == "float32" else 1e-11
    warped = arrays.warp(data, velocity, tess, image, output_size, 0.7)
    assert warped.shape == grad_out.shape
    np.testing.assert_allclose(warped.reshape(expected.shape), expected, rtol=0, atol=tolerance)
    got = arrays.warp_vjp(data, velocity, grad_out, tess, image, output_size, 0.7)
    for a, b in zip(got, (grad_data, grad_velocity), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())
    assert arrays.warp_vjp(data, velocity, grad_out, tess, image, output_size, 0.7, need_data=False)[0] is None
    assert arrays.warp_vjp(data, velocity, grad_out, tess, image, output_size, 0.7, need_velocity=False)[1] is None


def test_an_image_without_pixels():
    image = Image((0, 4), 1)
    with pytest.raises(ShapeError, match="pixels"):
        arrays.sample(np.zeros((1, 1, 4, 0)), np.zeros((1, 3, 2)), image)
