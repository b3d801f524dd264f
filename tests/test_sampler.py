"""The numpy backend's sampler against the function whose options it borrows."""

import itertools

import numpy as np
import pytest

import cpabx
from cpabx.sampling import Sampling

SIZES = [(4, 5), (7, 2), (1, 6), (5, 1), (1, 1), (3, 4, 5), (2, 1, 3)]
NUMPY = cpabx.get_backend("numpy")


@pytest.mark.parametrize(
    ("mode", "size"),
    [*itertools.product(["linear", "nearest"], SIZES), *(("cubic", size) for size in SIZES if len(size) == 2)],
    ids=str,
)
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_grid_sample_agrees(size, padding_mode, align_corners, dtype, mode):
    """To 1e-6 (cubic: 2e-6), inside and outside, at pixels, at their edges, and at the corners of the image."""
    torch = pytest.importorskip("torch")
    rng, ndim = np.random.default_rng(0), len(size)
    images = rng.uniform(size=(2, *size, 3)).astype(dtype)
    grid = rng.uniform(-4, 4, (2, *(12, 9, 2)[:ndim], ndim)).astype(dtype)
    if mode != "nearest":  # where the nearest pixel is a matter of rounding
        for axis, n in enumerate(reversed(size)):
            grid[:, :4, ..., axis] = (2 * rng.integers(-1, 2 * n + 2, grid[:, :4, ..., axis].shape) - n) / n / 2
        grid[:, 4] = rng.integers(-1, 2, grid[:, 4].shape)
    expected = torch.nn.functional.grid_sample(
        torch.tensor(np.moveaxis(images, -1, 1)),
        torch.tensor(grid),
        mode={"linear": "bilinear", "cubic": "bicubic"}.get(mode, mode),
        padding_mode=padding_mode,
        align_corners=align_corners,
    )
    got = NUMPY.sample(images, grid, Sampling(mode, padding_mode, align_corners))
    assert got.dtype == dtype
    tolerance = 2e-6 if mode == "cubic" else 1e-6
    np.testing.assert_allclose(got, np.moveaxis(expected.numpy(), 1, -1), rtol=0, atol=tolerance)


def test_no_value_makes_it_fail():
    """Whatever a transformation returns: an index that is out of range would be a crash."""
    images = np.ones((1, 3, 4, 1))
    strange = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e16, 5e-324, -0.0]
    grid = np.stack(np.meshgrid(strange, strange), axis=-1)[None]
    finite = np.isfinite(grid).all(-1)
    for padding_mode in ("zeros", "border", "reflection"):
        for align_corners in (False, True):
            result = NUMPY.sample(images, grid, Sampling("linear", padding_mode, align_corners))[..., 0]
            # An average of ones and zeros.
            assert np.isin(result[finite], [0, 0.25, 0.5, 1]).all()
            assert np.isnan(result[~finite]).all()
