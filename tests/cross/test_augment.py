"""Parts of augmentations in every backend: the numbers of numpy, whose meaning tests/test_augment.py tests."""

import numpy as np
import pytest

from cpabx.augment import RandomField, move_boxes, move_keypoints, warp_images, warp_masks
from cpabx.testing import backend_fixture, known_backends
from cpabx.testing.plugin import required_backends

backend = backend_fixture(*(sorted(required_backends()) or known_backends()))
FIELD = RandomField((3, 2), amplitude=0.06)
N, H, W = 3, 14, 17


def drawn(backend, dtype="float32"):
    """Theta in numpy and in the backend."""
    return tuple(FIELD.sample(N, seed=3, backend=name, dtype=dtype) for name in ("numpy", backend.name))


def image_tensor(backend, images):
    """In the backend's layout, of their own type."""
    return backend.asarray(images if backend.channels_last else np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def as_images(backend, result):
    values = backend.to_numpy(result)
    return values if backend.channels_last else np.moveaxis(values, 1, -1)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_images_of_whole_numbers(backend, dtype, mode):
    """In float64, in which no rounding of the places moves a value across a half."""
    theta, own = drawn(backend, "float64")
    low = 0 if dtype == "uint8" else -200
    images = np.random.default_rng(0).integers(low, 255, (N, H, W, 2)).astype(dtype)
    warped = warp_images(FIELD.cpab, image_tensor(backend, images), own, mode=mode)
    assert backend.dtype(warped) == dtype
    assert np.array_equal(as_images(backend, warped), warp_images(FIELD.cpab, images, theta, mode=mode))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float64"])
def test_masks(backend, dtype):
    theta, own = drawn(backend, "float64")
    masks = np.random.default_rng(0).integers(0, 2, (N, H, W, 2)).astype(dtype)
    warped = warp_masks(FIELD.cpab, image_tensor(backend, masks), own)
    assert backend.dtype(warped) == dtype
    assert np.array_equal(as_images(backend, warped), warp_masks(FIELD.cpab, masks, theta))


def test_keypoints_and_boxes(backend):
    theta, own = drawn(backend, "float64")
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 13, (N, 5, 2))
    boxes = np.concatenate([points, points + rng.uniform(-1, 4, (N, 5, 2))], axis=-1)
    size = (H, W)
    moved = move_keypoints(FIELD.cpab, backend.asarray(points), own, size)
    np.testing.assert_allclose(backend.to_numpy(moved), move_keypoints(FIELD.cpab, points, theta, size), atol=1e-10)
    for whole in (True, False):
        expected = move_boxes(FIELD.cpab, boxes, theta, size, whole_pixels=whole)
        got = move_boxes(FIELD.cpab, backend.asarray(boxes), own, size, whole_pixels=whole)
        np.testing.assert_allclose(backend.to_numpy(got), expected, atol=1e-10)
