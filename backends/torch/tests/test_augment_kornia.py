"""The augmentation as one of kornia's, alone and in its sequences."""

import pickle

import pytest
import torch

import cpabx
from cpabx.errors import MissingPackageError

H, W = 60, 80

try:
    import kornia.augmentation as kornia
except ImportError:
    kornia = None

needs_kornia = pytest.mark.skipif(kornia is None, reason="kornia is not installed")


@pytest.mark.skipif(kornia is not None, reason="kornia is installed")
def test_kornia_is_named_where_it_is_missing():
    with pytest.raises(MissingPackageError, match="pip install kornia"):
        cpabx.augment.for_kornia()


@needs_kornia
def test_it_warps_by_a_map_of_each_image():
    augment, x = cpabx.augment.for_kornia((3, 3)), torch.rand(1, 3, H, W).expand(4, -1, -1, -1)
    torch.manual_seed(0)
    warped = augment(x)
    assert isinstance(augment, kornia.GeometricAugmentationBase2D)
    assert warped.shape == x.shape
    assert not torch.equal(warped[0], warped[1])
    torch.manual_seed(0)
    assert torch.equal(augment(x), warped)
    assert torch.equal(augment(x, params=augment._params), warped)
    assert torch.equal(pickle.loads(pickle.dumps(augment))(x, params=augment._params), warped)
    same = cpabx.augment.for_kornia((3, 3), same_on_batch=True)(x)
    assert torch.equal(same[0], same[3])


@needs_kornia
def test_p_is_that_of_each_image():
    x = torch.rand(1, 1, 8, 8).expand(500, -1, -1, -1)
    torch.manual_seed(0)
    changed = (cpabx.augment.for_kornia((2, 2), p=0.3)(x) != x).flatten(1).any(1).float().mean().item()
    assert changed == pytest.approx(0.3, abs=0.08)


@needs_kornia
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_all_parts_stay_together(p):
    boxes = torch.tensor([[10, 12, 29, 39], [40, 5, 78, 32]], dtype=torch.float32).expand(6, -1, -1)  # inclusive
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes[0].T)
    masks = ((x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)).float().expand(6, -1, -1, -1)
    places = torch.stack([x, y]).float().expand(6, -1, -1, -1)
    points = torch.tensor([[20.0, 20], [45, 25]]).expand(6, -1, -1)
    keys = ["input", "mask", "bbox_xyxy", "keypoints"]
    sequence = kornia.AugmentationSequential(cpabx.augment.for_kornia((3, 3), p=p), data_keys=keys)
    torch.manual_seed(1)
    images, masks, boxes, points_after = sequence(places, masks.clone(), boxes.clone(), points.clone())
    for i in range(6):
        for k in range(2):
            rows, columns = torch.nonzero(masks[i, k], as_tuple=True)
            assert boxes[i, k, 0] <= columns.min() + 1e-3
            assert boxes[i, k, 1] <= rows.min() + 1e-3
            assert boxes[i, k, 2] >= columns.max() - 1e-3
            assert boxes[i, k, 3] >= rows.max() - 1e-3
    grid = (points_after[:, None] * 2 + 1) / torch.tensor([W, H]) - 1
    shown = torch.nn.functional.grid_sample(images, grid, align_corners=False)[:, :, 0].mT
    assert (shown - points).norm(dim=-1).max() < 0.2


@needs_kornia
@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_types_stay(dtype):
    x = torch.rand(2, 3, H, W).to(dtype)
    assert cpabx.augment.for_kornia((2, 2))(x).dtype == dtype
