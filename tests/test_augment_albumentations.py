"""The augmentation as a transform of albumentations."""

import importlib.util
import pickle

import numpy as np
import pytest

import cpabx
from cpabx.errors import MissingPackageError, OptionError

H, W = 60, 80
installed = importlib.util.find_spec("albumentations") is not None
needs_albumentations = pytest.mark.skipif(not installed, reason="albumentations is not installed")


@pytest.mark.skipif(installed, reason="albumentations is installed")
def test_it_is_named_where_it_is_missing():
    with pytest.raises(MissingPackageError, match="pip install 'albumentations"):
        cpabx.augment.for_albumentations()


def test_one_image_at_a_time():
    with pytest.raises(OptionError, match="one image"):
        cpabx.augment.for_albumentations(per_image=False)


@needs_albumentations
def test_all_parts_stay_together():
    import albumentations

    boxes = np.array([[10, 12, 30, 40], [40, 5, 79, 33]], np.float32)
    y, x = np.mgrid[:H, :W]
    masks = [((x >= a) & (x < c) & (y >= b) & (y < d)).astype(np.uint8) for a, b, c, d in boxes]
    places = np.stack([x, y, y], -1).astype(np.float32)
    points = np.array([[20.0, 20], [45, 25]])
    composed = albumentations.Compose(
        [cpabx.augment.for_albumentations((3, 3))],
        bbox_params=albumentations.BboxParams("pascal_voc", label_fields=["names"]),
        keypoint_params=albumentations.KeypointParams("xy"),
        seed=3,
    )
    for _ in range(5):
        after = composed(image=places, masks=masks, bboxes=boxes, names=["a", "b"], keypoints=points)
        for mask, box in zip(after["masks"], after["bboxes"], strict=True):
            rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
            assert (box[:2] <= [columns[0] + 1e-3, rows[0] + 1e-3]).all()
            assert (box[2:] >= [columns[-1] + 1 - 1e-3, rows[-1] + 1 - 1e-3]).all()
        for before, (mx, my) in zip(points, after["keypoints"], strict=True):
            i, j = int(my), int(mx)
            square, fy, fx = after["image"][i : i + 2, j : j + 2, :2], my - i, mx - j
            assert np.linalg.norm(np.einsum("i,j,ijc->c", [1 - fy, fy], [1 - fx, fx], square) - before) < 0.2


@needs_albumentations
def test_seeds_types_and_copies():
    import albumentations

    image = (np.random.default_rng(0).random((H, W, 3)) * 255).astype(np.uint8)

    def run(seed, transform):
        return albumentations.Compose([transform], seed=seed)(image=image)["image"]

    augment = cpabx.augment.for_albumentations((2, 2))
    first = run(1, augment)
    assert first.dtype == np.uint8
    assert np.array_equal(run(1, cpabx.augment.for_albumentations((2, 2))), first)
    assert not np.array_equal(run(2, cpabx.augment.for_albumentations((2, 2))), first)
    grey = cpabx.augment.for_albumentations((2, 2))(image=image[..., 0])["image"]
    assert grey.shape == (H, W)
    assert cpabx.augment.for_albumentations(p=0)(image=image)["image"] is not None
    assert np.array_equal(run(1, pickle.loads(pickle.dumps(augment))), first)
