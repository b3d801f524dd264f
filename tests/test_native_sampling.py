"""Sampling and warping of numpy arrays by libcpab; values are the conformance suite's, laws libcpab's own tests'."""

import itertools

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import cpabx
from cpabx.errors import ShapeError
from cpabx.native import HOST, HostArrays, functions
from cpabx.sampling import Sampling, pixel_grid


class ChannelsFirst(HostArrays):
    """Arrays of numpy in the layout of torch."""

    channels_last = False


SIZES = [(7,), (4, 5), (5, 3, 4)]
each_size = pytest.mark.parametrize("size", SIZES, ids=str)
each_layout = pytest.mark.parametrize("memory", [ChannelsFirst(), HOST], ids=["first", "last"])
each_sharing = pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])


def images_shape(memory, size, channels):
    return (2, *size, channels) if memory.channels_last else (2, channels, *size)


def drawn(memory, size, channels, n_points, shared=False):
    """Two images, points and cotangents."""
    rng = np.random.default_rng(5)
    points = rng.uniform(-1.5, 1.5, (1 if shared else 2, n_points, len(size)))
    grad_out = rng.standard_normal(images_shape(memory, (n_points,), channels))
    return rng.standard_normal(images_shape(memory, size, channels)), points, grad_out


@each_size
@each_layout
@each_sharing
def test_scipy_agrees(size, memory, shared):
    """In both layouts, by another interpolation: (x, y, z) of points, (z, y, x) of arrays."""
    images, points, _ = drawn(memory, size, 3, 50, shared)
    got = functions.sample(memory, images, points, Sampling(padding_mode="reflection", align_corners=True))
    pixel = (points[..., ::-1] + 1) / 2 * (np.array(size) - 1)
    for item, channel in itertools.product(range(2), range(3)):
        one = images[item, ..., channel] if memory.channels_last else images[item, channel]
        expected = map_coordinates(one, pixel[0 if shared else item].T, order=1, mode="mirror")
        out = got[item, :, channel] if memory.channels_last else got[item, channel]
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-12)


@each_size
@each_layout
@each_sharing
def test_gradients_are_differences(size, memory, shared):
    sampling, h = Sampling(padding_mode="border"), 1e-7
    images, points, grad_out = drawn(memory, size, 2, 30, shared)
    rng = np.random.default_rng(6)
    grads = functions.sample_vjp(memory, images, points, grad_out, sampling)
    along = [rng.standard_normal(a.shape) for a in (images, points)]
    for which, grad in enumerate(grads):
        assert grad.shape == along[which].shape
        step = [h * t if i == which else 0 for i, t in enumerate(along)]
        ahead, behind = (
            functions.sample(memory, images + s * step[0], points + s * step[1], sampling) for s in (1, -1)
        )
        terms = grad_out * (ahead - behind) / (2 * h)
        assert abs((grad * along[which]).sum() - terms.sum()) <= 1e-6 * np.abs(terms).sum()
    for wanted in ((True, False), (False, True)):
        only = functions.sample_vjp(memory, images, points, grad_out, sampling, wanted=wanted)
        for one, grad, is_wanted in zip(only, grads, wanted, strict=True):
            assert np.array_equal(one, grad) if is_wanted else one is None


@each_size
@each_layout
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_warp_is_transform_then_sample(size, memory, dtype):
    """Values and both gradients of the fused call, on the grid of the output's pixels."""
    ndim, output_size, rng = len(size), (3, 7, 6)[-len(size) :], np.random.default_rng(7)
    tess, sampling = cpabx.Tessellation((3, 2, 2)[:ndim]), Sampling(padding_mode="border", align_corners=True)
    velocity = (0.3 * rng.standard_normal((2, tess.n_vertices, ndim))).astype(dtype)
    images = rng.standard_normal(images_shape(memory, size, 2)).astype(dtype)
    grad_out = rng.standard_normal(images_shape(memory, output_size, 2)).astype(dtype)
    grid = pixel_grid(output_size, True, tess.domain).points[None].astype(dtype)

    moved = functions.transform(memory, grid, velocity, tess, 0.7)
    expected = functions.sample(memory, images, moved, sampling)
    flat = grad_out.reshape(expected.shape)
    grad_images, grad_moved = functions.sample_vjp(memory, images, moved, flat, sampling)
    _, grad_velocity = functions.transform_vjp(memory, grid, velocity, grad_moved, tess, 0.7)

    tolerance = 1e-4 if dtype == "float32" else 1e-11
    warp = (tess, 0.7, output_size, sampling)
    warped = functions.warp(memory, images, velocity, *warp)
    assert warped.shape == grad_out.shape
    np.testing.assert_allclose(warped.reshape(expected.shape), expected, rtol=0, atol=tolerance)
    got = functions.warp_vjp(memory, images, velocity, grad_out, *warp)
    for a, b in zip(got, (grad_images, grad_velocity), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())
    for wanted in ((True, False), (False, True)):
        only = functions.warp_vjp(memory, images, velocity, grad_out, *warp, wanted=wanted)
        assert [one is not None for one in only] == list(wanted)


@pytest.mark.parametrize("name", ["sample", "sample_vjp", "warp", "warp_vjp", "transform_vjp", "jacobian", "velocity"])
@each_layout
def test_shapes_of_results_are_known_in_advance(name, memory):
    """What a tracer is told is what a call gives."""
    rng, function = np.random.default_rng(8), getattr(functions, name)
    tess = cpabx.Tessellation((3, 2))
    shapes = {
        "images": images_shape(memory, (4, 5), 3),
        "points": (2, 6, 2),
        "velocity": (2, tess.n_vertices, 2),
        "grad_out": images_shape(memory, (3, 7) if function.kind == "warp" else (6,), 3),
    }
    if function.kind == "flow":
        shapes["grad_out"] = (2, 6, 2)
    options = {"tessellation": tess, "time": 1.0, "output_size": (3, 7), "sampling": Sampling()}
    given = [0.1 * rng.standard_normal(shapes[array]) for array in function.inputs]
    problem = [options[option] for option in function.problem]
    results = function(memory, *given, *problem)
    told = function.shapes([a.shape for a in given], problem, channels_last=memory.channels_last)
    assert [r.shape for r in (results if isinstance(results, tuple) else (results,))] == told


def test_an_image_without_pixels():
    with pytest.raises(ShapeError, match="pixels"):
        functions.sample(HOST, np.zeros((1, 4, 0, 1)), np.zeros((1, 3, 2)), Sampling())


@each_size
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_points_do_not_hang_on_their_neighbours(size, dtype, padding_mode):
    """To the last bit, a point between pixels is the same beside others and beside what is outside or nowhere."""
    rng, n = np.random.default_rng(8), 64
    images = rng.standard_normal(images_shape(HOST, size, 2)).astype(dtype)
    points = rng.uniform(-0.6, 0.6, (2, n, len(size))).astype(dtype)
    grad_out = rng.standard_normal(images_shape(HOST, (n,), 2)).astype(dtype)
    disturbed = points.copy()
    disturbed[:, ::4] = np.resize([np.nan, 1.5, -7], (n // 4, 1))
    options, kept = Sampling(padding_mode=padding_mode), np.arange(n) % 4 > 0

    def results(places):
        value = functions.sample(HOST, images, places, options)
        return value, functions.sample_vjp(HOST, images, places, grad_out, options)[1]

    for alone, beside in zip(results(points), results(disturbed), strict=True):
        np.testing.assert_array_equal(alone[:, kept], beside[:, kept])
