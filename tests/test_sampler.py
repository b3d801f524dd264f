"""The numpy sampler against the function whose options it borrows."""

import numpy as np
import pytest

from cpabx.numpy_sampler import bilinear

SIZES = [(4, 5), (7, 2), (1, 6), (5, 1), (1, 1)]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_grid_sample_agrees(size, padding_mode, align_corners, dtype):
    """To 1e-6, inside and outside, at pixels, at their edges, and at the corners of the image."""
    torch = pytest.importorskip("torch")
    height, width = size
    rng = np.random.default_rng(0)
    images = rng.uniform(size=(2, height, width, 3)).astype(dtype)
    grid = rng.uniform(-4, 4, (2, 12, 9, 2)).astype(dtype)
    grid[:, :4, :, 0] = (2 * rng.integers(-1, 2 * width + 2, (2, 4, 9)) - width) / width / 2
    grid[:, :4, :, 1] = (2 * rng.integers(-1, 2 * height + 2, (2, 4, 9)) - height) / height / 2
    grid[:, 4] = rng.integers(-1, 2, (2, 9, 2))
    expected = torch.nn.functional.grid_sample(
        torch.tensor(np.moveaxis(images, 3, 1)),
        torch.tensor(grid),
        mode="bilinear",
        padding_mode=padding_mode,
        align_corners=align_corners,
    )
    got = bilinear(images, grid, padding_mode, align_corners)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, np.moveaxis(expected.numpy(), 1, 3), rtol=0, atol=1e-6)


def test_no_value_makes_it_fail():
    """Whatever a transformation returns: an index that is out of range would be an exception."""
    images = np.ones((1, 3, 4, 1))
    strange = [np.nan, np.inf, -np.inf, 1e300, -1e300, 1e16, 5e-324, -0.0]
    grid = np.stack(np.meshgrid(strange, strange), axis=-1)[None]
    for padding_mode in ("zeros", "border", "reflection"):
        for align_corners in (False, True):
            with np.errstate(all="ignore"):
                result = bilinear(images, grid, padding_mode, align_corners)
            # An average of ones and zeros; NaN counts as some place.
            assert np.isin(result, [0, 0.25, 0.5, 1]).all()
