"""Sampling against torch, whose options these are, and against numpy."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.sampling.grid import pixel_grid
from cpabx.sampling.options import Sampling
from cpabx_tensorflow.sampling import interpolate

NUMPY = cpabx.get_backend("numpy")
MODES = list(itertools.product(["zeros", "border", "reflection"], [False, True]))
each_mode = pytest.mark.parametrize(("padding_mode", "align_corners"), MODES)
each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])
TOLERANCE = {"float32": 1e-6, "float64": 1e-12}


def bilinear(images, grid, padding_mode, align_corners):
    return interpolate(images, grid, Sampling("linear", padding_mode, align_corners))


def numpys(images, grid, padding_mode, align_corners):
    return NUMPY.sample(images, grid, Sampling("linear", padding_mode, align_corners))


def draw(dtype="float64", spread=1.7, n=3, size=(7, 5), channels=2, out=(6, 4)):
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (n, *size, channels)).astype(dtype)
    grid = rng.uniform(-spread, spread, (n, *out, 2)).astype(dtype)
    return images, grid


def at_pixels(dtype, size, align_corners, n=3):
    """Exactly at the pixels, where the interpolation has two slopes."""
    points = pixel_grid(size, align_corners, ((-1.0, 1.0), (-1.0, 1.0))).points.reshape(1, *size, 2)
    return np.repeat(points, n, 0).astype(dtype)


def with_grads(images, grid, *options):
    with tf.GradientTape() as tape:
        tape.watch([images, grid])
        result = bilinear(images, grid, *options)
        loss = tf.reduce_sum(result * tf.cos(result))
    return result, *tape.gradient(loss, [images, grid])


def torchs(images, grid, padding_mode, align_corners):
    torch = pytest.importorskip("torch", reason="grid_sample is torch's")
    images, grid = torch.tensor(images).requires_grad_(), torch.tensor(grid).requires_grad_()
    first = images.permute(0, 3, 1, 2)
    result = torch.nn.functional.grid_sample(first, grid, padding_mode=padding_mode, align_corners=align_corners)
    result = result.permute(0, 2, 3, 1)
    (result * result.cos()).sum().backward()
    return [x.detach().numpy() for x in (result, images.grad, grid.grad)]


def assert_close(got, expected, tolerance):
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


@each_mode
@each_dtype
@pytest.mark.parametrize("spread", [0.9, 1.7, 9.0, 1e4])
def test_values_and_gradients_are_torchs(padding_mode, align_corners, dtype, spread):
    images, grid = draw(dtype, spread)
    tolerance = TOLERANCE[dtype] * max(1.0, spread)  # of the coordinates themselves
    got = with_grads(tf.constant(images), tf.constant(grid), padding_mode, align_corners)
    assert_close(got, torchs(images, grid, padding_mode, align_corners), tolerance)


@each_mode
@each_dtype
def test_gradients_at_pixels_are_torchs(padding_mode, align_corners, dtype):
    """There the two slopes differ; where rounding decides the side, the grid is left out."""
    size = (9, 5)  # with align_corners, pixels are at multiples of 1/4 and 1/2: exact
    images, _ = draw(dtype, size=size)
    grid = at_pixels(dtype, size, align_corners)
    got = with_grads(tf.constant(images), tf.constant(grid), padding_mode, align_corners)
    expected = torchs(images, grid, padding_mode, align_corners)
    compared = 3 if align_corners else 2
    assert_close(got[:compared], expected[:compared], TOLERANCE[dtype])


@each_mode
@each_dtype
@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (7, 5)])
def test_values_are_numpys(padding_mode, align_corners, dtype, shape):
    images, grid = draw(dtype, 2.5, size=shape)
    expected = numpys(images, grid, padding_mode, align_corners)
    got = bilinear(tf.constant(images), tf.constant(grid), padding_mode, align_corners)
    assert_close([got], [expected], TOLERANCE[dtype])


@each_mode
@each_dtype
@pytest.mark.parametrize("place", [1e9, -1e30, 3e38, np.inf, -np.inf, np.nan])
def test_far_and_nowhere(padding_mode, align_corners, dtype, place):
    """No overflow of an integer, NaN exactly where a point is not finite, the other pixels as they were."""
    images, grid = draw(dtype, 0.9)
    expected = numpys(images, grid, padding_mode, align_corners)
    grid[:, 0, 0, 0] = place
    grid[:, 1, 1] = place
    got, *grads = with_grads(tf.constant(images), tf.constant(grid), padding_mode, align_corners)
    untouched = np.ones(got.shape[:3], bool)
    untouched[:, 0, 0] = untouched[:, 1, 1] = False
    assert_close([got.numpy()[untouched]], [expected[untouched]], TOLERANCE[dtype])
    assert np.isfinite(grads[1].numpy()[untouched]).all()
    if np.isfinite(place):
        assert all(np.isfinite(x).all() for x in (got, *grads))
    else:
        assert np.isnan(got.numpy()[~untouched]).all()
        assert np.isnan(grads[1].numpy()[~untouched]).all()
    if padding_mode != "reflection":  # another remainder of huge numbers
        np.testing.assert_allclose(got, numpys(images, grid, padding_mode, align_corners), atol=TOLERANCE[dtype])


@each_mode
def test_identity_gives_the_image_back(padding_mode, align_corners):
    images, _ = draw()
    grid = at_pixels("float64", images.shape[1:3], align_corners)
    assert_close([bilinear(tf.constant(images), tf.constant(grid), padding_mode, align_corners)], [images], 1e-14)


@each_mode
def test_graph_with_unknown_batch_and_channels(padding_mode, align_corners):
    signature = [tf.TensorSpec((None, 7, 5, None), "float64"), tf.TensorSpec((None, 6, 4, 2), "float64")]
    traced = tf.function(lambda i, g: with_grads(i, g, padding_mode, align_corners), input_signature=signature)
    for n in (3, 1, 0):
        images, grid = (tf.constant(x) for x in draw(n=n))
        expected = with_grads(images, grid, padding_mode, align_corners)
        for got, right in zip(traced(images, grid), expected, strict=True):
            assert got.shape == right.shape
            np.testing.assert_allclose(got, right, atol=1e-12)


def test_what_is_outside_is_not_read():
    """A pixel that is not finite shows only where it is sampled."""
    images = np.full((1, 3, 3, 1), np.inf)
    images[:, 1, 1] = 1
    grid = np.full((1, 1, 2, 2), 5.0)
    np.testing.assert_array_equal(
        bilinear(tf.constant(images), tf.constant(grid), "zeros", False), np.zeros((1, 1, 2, 1))
    )
