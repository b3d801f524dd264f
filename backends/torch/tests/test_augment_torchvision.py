"""The augmentation as a transform of torchvision: images, masks, boxes, keypoints and videos stay together."""

import numpy as np
import pytest
import torch
from torch import Tensor

import cpabx
from cpabx.errors import ShapeError

try:
    from torchvision import tv_tensors
    from torchvision.transforms import v2
    from torchvision.transforms.v2 import functional
except (ImportError, RuntimeError) as error:  # the latter where it was built for another torch
    pytest.skip(f"torchvision cannot be used: {error}", allow_module_level=True)

H, W = 60, 80
BOXES = torch.tensor([[10, 12, 30, 40], [0, 0, 80, 60], [40, 5, 79, 33], [50, 50, 53, 54]], dtype=torch.float32)


def make(*arguments, **options):
    return cpabx.augment.RandomCPAB(*arguments, backend="torch", **options)


def masks_of(boxes):
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    x1, y1, x2, y2 = (side[:, None, None] for side in boxes.T)
    return tv_tensors.Mask((x >= x1) & (x < x2) & (y >= y1) & (y < y2))


def boxes_of(masks):
    """Edges of the pixels of each mask."""
    found = []
    for mask in masks:
        y, x = torch.nonzero(mask.as_subclass(Tensor), as_tuple=True)
        found.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return torch.tensor(found, dtype=torch.float32)


def sample(seed=0):
    rng = torch.Generator().manual_seed(seed)
    return {
        "image": tv_tensors.Image(torch.randint(0, 256, (3, H, W), generator=rng, dtype=torch.uint8)),
        "mask": masks_of(BOXES),
        "boxes": tv_tensors.BoundingBoxes(BOXES, format="XYXY", canvas_size=(H, W)),
        "label": torch.tensor([1, 2, 3, 4]),
        "id": "a",
    }


def test_it_is_a_transform():
    augment = make()
    assert isinstance(augment, v2.Transform)
    assert "amplitude=0.05" in repr(augment)
    composed = v2.Compose([augment, v2.ToDtype(torch.float32, scale=True)])
    warped = composed(sample())
    assert warped["image"].dtype == torch.float32
    assert warped["id"] == "a"


def test_kinds_types_and_metadata_stay():
    before = sample()
    after = make()(before)
    for name in ("image", "mask", "boxes"):
        assert type(after[name]) is type(before[name])
        assert after[name].dtype == before[name].dtype
        assert after[name].shape == before[name].shape
    assert after["boxes"].format == before["boxes"].format
    assert after["boxes"].canvas_size == (H, W)
    assert after["label"] is before["label"]


@pytest.mark.parametrize("seed", range(10))
def test_masks_and_images_are_warped_alike(seed):
    """An image that is the mask, nearest pixel for nearest pixel."""
    mask = masks_of(BOXES)
    torch.manual_seed(seed)
    image, warped = make(mode="nearest")((tv_tensors.Image(mask.as_subclass(Tensor).to(torch.uint8)), mask))
    assert torch.equal(image.as_subclass(Tensor).bool(), warped.as_subclass(Tensor))


@pytest.mark.parametrize("boundary", ["sliding", "fixed", "free"])
@pytest.mark.parametrize("format", ["XYXY", "XYWH", "CXCYWH"])
def test_boxes_contain_the_boxes_of_their_masks(format, boundary):
    augment = make((4, 4), boundary=boundary)
    boxes = functional.convert_bounding_box_format(sample()["boxes"], new_format=tv_tensors.BoundingBoxFormat(format))
    torch.manual_seed(0)
    for _ in range(10):
        masks, moved = augment(sample()["mask"], boxes)
        moved = functional.convert_bounding_box_format(moved, new_format=tv_tensors.BoundingBoxFormat.XYXY)
        assert moved.as_subclass(Tensor).min() >= 0  # clipped to the image, as its clamping mode says
        seen = masks.as_subclass(Tensor).flatten(1).any(1)
        found, moved = boxes_of(masks[seen]), moved.as_subclass(Tensor)[seen]
        assert (moved[:, :2] <= found[:, :2] + 1e-3).all()
        assert (moved[:, 2:] >= found[:, 2:] - 1e-3).all()


def test_boxes_of_whole_numbers_grow_outwards():
    augment, exact = make((4, 4)), sample()["boxes"]
    torch.manual_seed(0)
    expected = augment(exact).as_subclass(Tensor)
    torch.manual_seed(0)
    moved = augment(tv_tensors.BoundingBoxes(BOXES.long(), format="XYXY", canvas_size=(H, W)))
    assert moved.dtype == torch.int64
    assert (moved[:, :2] <= expected[:, :2] + 2e-3).all()
    assert (moved[:, 2:] >= expected[:, 2:] - 2e-3).all()
    assert (moved - expected).abs().max() < 1.01


@pytest.mark.parametrize("format", ["XYXYXYXY", "CXCYWHR", "XYWHR"])
def test_rotated_boxes_hold_what_was_in_them(format):
    if not hasattr(tv_tensors.BoundingBoxFormat, format):
        pytest.skip("this torchvision has no rotated boxes")
    augment = make((4, 4), amplitude=0.03)
    rotated = tv_tensors.BoundingBoxFormat.CXCYWHR
    boxes = tv_tensors.BoundingBoxes(
        [[40.0, 30, 24, 12, 30], [25, 35, 10, 14, -70]], format=rotated, canvas_size=(H, W)
    )
    corners = functional.convert_bounding_box_format(boxes, new_format=tv_tensors.BoundingBoxFormat.XYXYXYXY)
    # Points within each box, as keypoints, whose pixels have their centres at whole numbers.
    weights = torch.rand(2, 50, 4, generator=torch.Generator().manual_seed(0))
    weights = weights / weights.sum(-1, keepdim=True)
    points = weights @ corners.as_subclass(Tensor).reshape(2, 4, 2) - 0.5
    given = functional.convert_bounding_box_format(boxes, new_format=tv_tensors.BoundingBoxFormat(format))
    torch.manual_seed(0)
    for _ in range(10):
        moved, inside = augment(given, tv_tensors.KeyPoints(points, canvas_size=(H, W)))
        assert moved.format == given.format
        quads = functional.convert_bounding_box_format(moved, new_format=tv_tensors.BoundingBoxFormat.XYXYXYXY)
        quads = quads.as_subclass(Tensor).reshape(2, 4, 2)
        edges = quads.roll(-1, 1) - quads
        way = inside.as_subclass(Tensor)[:, :, None] + 0.5 - quads[:, None]
        beside = edges[:, None, :, 0] * way[..., 1] - edges[:, None, :, 1] * way[..., 0]
        assert (beside > -0.05 * edges.norm(dim=-1)[:, None]).all()
        area = (edges[:, 0].norm(dim=-1) * edges[:, 1].norm(dim=-1)).mean()
        assert area < 24 * 12 + 10 * 14  # twice what they were


@pytest.mark.skipif(not hasattr(tv_tensors, "KeyPoints"), reason="this torchvision has no keypoints")
@pytest.mark.parametrize("shape", [(2,), (6, 2), (2, 3, 2)])
def test_keypoints_are_where_the_image_shows_them(shape):
    """The warped image of the pixels' own places."""
    y, x = torch.meshgrid(torch.arange(H), torch.arange(W), indexing="ij")
    places = tv_tensors.Image(torch.stack([x, y]).float())
    rng = np.random.default_rng(0)
    given = torch.tensor(rng.uniform(15, 45, shape), dtype=torch.float32)
    torch.manual_seed(0)
    points = tv_tensors.KeyPoints(given, canvas_size=(H, W))
    image, moved = make()(places, points)
    assert moved.shape == points.shape
    grid = (moved.as_subclass(Tensor).reshape(1, 1, -1, 2) * 2 + 1) / torch.tensor([W, H]) - 1
    shown = torch.nn.functional.grid_sample(image.as_subclass(Tensor)[None], grid, align_corners=False)
    assert (shown[0, :, 0].T - given.reshape(-1, 2)).norm(dim=-1).max() < 0.2


def test_videos_have_one_map():
    frames = tv_tensors.Video(torch.rand(1, 3, H, W).expand(5, -1, -1, -1))
    warped = make()(frames)
    assert isinstance(warped, tv_tensors.Video)
    assert all(torch.equal(frame, warped[0]) for frame in warped)
    two = make()(tv_tensors.Video(torch.rand(1, 1, 3, H, W).expand(2, 5, -1, -1, -1)))
    assert not torch.equal(two[0], two[1])
    assert torch.equal(two[0, 0], two[0, 4])


def test_batches_of_images_and_masks():
    masks = masks_of(BOXES).as_subclass(Tensor)
    image = tv_tensors.Image(masks[:, None].to(torch.uint8))
    for p in (0.5, 1.0):
        for shape in ((4, H, W), (4, 1, H, W)):
            warped, moved = make(p=p, mode="nearest")(image, tv_tensors.Mask(masks.reshape(shape)))
            assert torch.equal(warped.as_subclass(Tensor)[:, 0].bool(), moved.as_subclass(Tensor).reshape(4, H, W))


def test_boxes_beside_batches():
    images, boxes = tv_tensors.Image(torch.rand(4, 3, H, W)), sample()["boxes"]
    with pytest.raises(ShapeError, match="sample by sample"):
        make()(images, boxes)
    assert make(per_image=False)(images, boxes)[1].shape == boxes.shape
    with pytest.raises(ShapeError, match="axes first"):
        make()(images, tv_tensors.Mask(torch.zeros(3, H, W)))
    with pytest.raises(ShapeError, match="as many"):
        make()(images, tv_tensors.Image(torch.rand(3, H, W)))


def test_sizes_in_one_sample_may_differ():
    """One field, whatever the resolution."""
    fine = tv_tensors.Image(torch.rand(3, H, W))
    _, coarse = make()(fine, tv_tensors.Mask(torch.zeros(H // 2, W // 2)))
    assert coarse.shape == (H // 2, W // 2)


def test_pil():
    image = functional.to_pil_image(sample()["image"])
    torch.manual_seed(0)
    warped = make()(image)
    torch.manual_seed(0)
    expected = make()(sample()["image"])
    assert warped.mode == "RGB"
    assert np.array_equal(functional.pil_to_tensor(warped), expected)


def test_no_boxes():
    empty = tv_tensors.BoundingBoxes(torch.zeros(0, 4), format="XYXY", canvas_size=(H, W))
    assert make()(sample()["image"], empty)[1].shape == (0, 4)


def test_p_is_that_of_the_sample():
    """All of it or nothing."""
    before, changed = sample(), []
    torch.manual_seed(0)
    for _ in range(40):
        after = make(p=0.5)(before)
        different = [not torch.equal(after[name], before[name]) for name in ("image", "mask", "boxes")]
        assert len(set(different)) == 1
        changed += different[:1]
    assert 8 < sum(changed) < 32
