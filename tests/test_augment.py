"""Parts of augmentations: how far maps move points, and that images, masks, boxes and keypoints stay together."""

import pickle

import numpy as np
import pytest
from scipy import ndimage

import cpabx
from cpabx.augment import RandomField, move_boxes, move_keypoints, warp_images, warp_masks
from cpabx.augment.options import Augmentation
from cpabx.augment.pictures import SharedPlaces, floor
from cpabx.errors import BackendLoadError, DtypeError, OptionError, ShapeError, UnsupportedError
from cpabx.numpy_backend import NumpyBackend

SIZE = (96, 128)
FIELDS = {
    "sliding": RandomField((4, 4)),
    "fixed": RandomField((3, 3), boundary="fixed", amplitude=0.03),
    "free": RandomField((2, 3), boundary="free"),
    "another domain": RandomField(cpabx.Cpab((3, 3), boundary="sliding", domain=((0, 2), (-3, 1))), length_scale=0.7),
}


@pytest.fixture(params=FIELDS)
def field(request):
    return FIELDS[request.param]


def theta_of(field, n=8, seed=1, dtype="float32"):
    return field.sample(n, seed=seed, backend="numpy", dtype=dtype)


def blobs(points, size=SIZE, sigma=1.5):
    """(N, H, W, K): one Gaussian in each channel, around points (N, K, 2)."""
    y, x = np.mgrid[: size[0], : size[1]]
    square = (x[..., None] - points[:, None, None, :, 0]) ** 2 + (y[..., None] - points[:, None, None, :, 1]) ** 2
    return np.exp(-square / (2 * sigma**2)).astype(np.float32)


def centroids(images):
    """(N, K, 2) centres of mass of each channel of (N, H, W, K)."""
    y, x = np.mgrid[: images.shape[1], : images.shape[2]]
    mass = images.sum((1, 2))
    return np.stack([(images * axis[..., None]).sum((1, 2)) / mass for axis in (x, y)], axis=-1)


# -- how far points move --------------------------------------------------------------------------


def test_amplitude_is_the_mean_displacement(field):
    """Of draws that it was not measured on, over another grid, as a share of the width and the height."""
    theta = theta_of(field, 400, seed=77)
    way = field.cpab.grid(theta, (37, 23), units="pixels", displacement=True) / [23, 37]
    assert np.linalg.norm(way, axis=-1).mean() == pytest.approx(field.amplitude, rel=0.08)


def test_amplitude_of_large_maps():
    """Where maps are shorter than their velocities."""
    large = RandomField((4, 4), amplitude=0.2)
    way = large.cpab.grid(theta_of(large, 400, seed=5), (32, 32), displacement=True) / 2
    assert np.linalg.norm(way, axis=-1).mean() == pytest.approx(0.2, rel=0.08)


def test_fields_are_equal_hashable_and_picklable(field):
    again = pickle.loads(pickle.dumps(field))
    assert again == field
    assert hash(again) == hash(field)
    assert np.array_equal(theta_of(again), theta_of(field))
    assert RandomField(**field.config) == field
    assert RandomField((4, 5)) != RandomField((5, 4))


def test_a_cpab_brings_its_boundary():
    assert RandomField(cpabx.Cpab((2, 2))).boundary == "free"


@pytest.mark.parametrize("amplitude", [0, -0.1, 0.3, np.nan, "0.1", None])
def test_impossible_amplitudes(amplitude):
    with pytest.raises(OptionError, match="amplitude"):
        RandomField(amplitude=amplitude)


def test_amplitude_that_fields_do_not_reach():
    with pytest.raises(OptionError, match="reach"):
        RandomField((12, 12), amplitude=0.25, length_scale=0.01, boundary="fixed")


def test_only_images():
    with pytest.raises(UnsupportedError, match="1D"):
        RandomField(5)
    with pytest.raises(UnsupportedError, match="3D"):
        RandomField((2, 2, 2))


# -- images and masks -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32"])
def test_whole_numbers_are_rounded_to_the_nearest(dtype):
    field = FIELDS["sliding"]
    theta = theta_of(field, dtype="float64")
    low = -300 if dtype != "uint8" else 0
    images = np.random.default_rng(0).integers(low, 256, (8, 20, 30, 3)).astype(dtype)
    exact = field.cpab.warp(images.astype(np.float64), theta, padding_mode="border")
    warped = warp_images(field.cpab, images, theta)
    assert warped.dtype == dtype
    assert np.array_equal(warped, np.floor(exact + 0.5))


def test_cubic_overshoot_stays_in_range():
    field = FIELDS["sliding"]
    images = (np.random.default_rng(0).random((8, 20, 30, 1)) > 0.5).astype(np.uint8) * 255
    theta = theta_of(field)
    exact = field.cpab.warp(images.astype(np.float32), theta, mode="cubic", padding_mode="border")
    assert exact.min() < -2
    assert exact.max() > 257
    warped = warp_images(field.cpab, images, theta, mode="cubic")
    assert np.array_equal(warped, np.floor(exact.clip(0, 255) + 0.5))


def test_constant_images_stay_constant():
    """No seam at the border, whichever maps to itself, and no rounding."""
    field = FIELDS["sliding"]
    for value in (0, 1, 127, 128, 254, 255):
        images = np.full((8, 33, 21, 1), value, np.uint8)
        assert (warp_images(field.cpab, images, theta_of(field)) == value).all()


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int32", "int64", "float32", "float64", "float16"])
def test_masks_are_those_of_the_same_places(field, dtype):
    """By the way that is independent: places in pixels, rounded."""
    theta = theta_of(field, dtype="float32" if dtype == "float32" else "float64")
    labels = np.random.default_rng(0).integers(0, 7, (8, *SIZE, 2)).astype(dtype)
    places = np.rint(field.cpab.grid(theta, SIZE, units="pixels")).astype(int)
    x, y = (places[..., i].clip(0, n - 1) for i, n in enumerate(SIZE[::-1]))
    expected = np.stack([one[b, a] for one, a, b in zip(labels, x, y, strict=True)])
    warped = warp_masks(field.cpab, labels, theta)
    assert warped.dtype == dtype
    assert (warped != expected).mean() < 1e-4  # halfway between two pixels


def test_large_labels_are_exact():
    field = FIELDS["sliding"]
    labels = np.array([2**60 + 1, 2**60 + 3])[np.random.default_rng(0).integers(0, 2, (1, 9, 9, 1))]
    assert set(warp_masks(field.cpab, labels, theta_of(field, 1)).ravel()) <= {2**60 + 1, 2**60 + 3}


def test_images_must_be_numbers():
    field = FIELDS["sliding"]
    with pytest.raises(DtypeError, match="warp_masks"):
        warp_images(field.cpab, np.zeros((1, 4, 4, 1), bool), theta_of(field, 1))
    with pytest.raises(DtypeError, match="images"):
        warp_images(field.cpab, np.zeros((1, 4, 4, 1)).astype(str), theta_of(field, 1))
    with pytest.raises(OptionError, match="family"):
        warp_images(field, np.zeros((1, 4, 4, 1), np.uint8), theta_of(field, 1))


def test_shared_places_are_the_same_map():
    field = FIELDS["sliding"]
    theta, shared = theta_of(field), SharedPlaces(field.cpab)
    images = np.random.default_rng(0).random((8, 20, 30, 3)).astype(np.float32)
    np.testing.assert_allclose(warp_images(shared, images, theta), warp_images(field.cpab, images, theta), atol=1e-5)
    small = images[:, :7]
    np.testing.assert_allclose(warp_images(shared, small, theta), warp_images(field.cpab, small, theta), atol=1e-5)
    assert len(shared._places) == 2


def test_floor():
    values = np.random.default_rng(0).uniform(-9, 9, 99)
    values[:5] = [-2, -0.0, 0, 3, -1e-9]
    assert np.array_equal(floor(NumpyBackend(), values), np.floor(values))


# -- keypoints ---------------------------------------------------------------------------------------


def marked(field, n=4, k=48, size=(224, 224)):
    """Theta, k random keypoints in n images, where they go, and which of these are well inside the image."""
    points = np.random.default_rng(3).uniform(25, 198, (n, k, 2)).astype(np.float32)
    theta = theta_of(field, n)
    moved = move_keypoints(field.cpab, points, theta, size)
    inside = ((moved > 8) & (moved < 215)).all(-1)
    assert inside.mean() > 0.8
    assert np.abs(moved - points)[inside].max() > 10
    return theta, points, moved, inside


def test_keypoints_stay_on_what_they_mark(field):
    """An image whose pixels show their own places shows a keypoint's, within 0.2 pixels, where the keypoint goes."""
    theta, points, moved, inside = marked(field)
    y, x = np.mgrid[:224, :224].astype(np.float32)
    warped = warp_images(field.cpab, np.tile(np.stack([x, y], -1), (4, 1, 1, 1)), theta)
    for image, before, after, seen in zip(warped, points, moved, inside, strict=True):
        shown = [ndimage.map_coordinates(image[..., i], after.T[::-1], order=1) for i in (0, 1)]
        assert np.linalg.norm(np.stack(shown, -1) - before, axis=-1)[seen].max() < 0.2


def test_keypoints_stay_in_the_middle_of_blobs(field):
    """Whose centres are found in the warped image.

    Of their bright cores, as where a map bends the centroid of a blob is not the image of its centre: so it is within
    0.2 pixels for all but a few.
    """
    theta, points, moved, inside = marked(field)
    distance = []
    for part in range(0, points.shape[1], 12):
        warped = warp_images(field.cpab, blobs(points[:, part : part + 12], (224, 224)), theta)
        distance += [np.linalg.norm(moved[:, part : part + 12] - centroids(warped**4), axis=-1)]
    found = np.concatenate(distance, axis=1)[inside]
    assert (found < 0.2).mean() > 0.97
    assert found.mean() < 0.06


def test_keypoints_that_all_maps_share(field):
    points = np.array([[3.0, 4.0], [60.5, 70.25]], np.float32)
    theta = theta_of(field)
    each = move_keypoints(field.cpab, np.tile(points, (8, 1, 1)), theta, SIZE)
    np.testing.assert_array_equal(move_keypoints(field.cpab, points, theta, SIZE), each)


# -- boxes -------------------------------------------------------------------------------------------


def random_boxes(n, k, whole):
    rng = np.random.default_rng(4)
    ends = [np.sort(rng.uniform(0, size, (n, k, 2)), axis=-1) for size in SIZE[::-1]]
    boxes = np.stack([ends[0][..., 0], ends[1][..., 0], ends[0][..., 1] + 1, ends[1][..., 1] + 1], axis=-1)
    boxes = np.minimum(boxes, [SIZE[1], SIZE[0]] * 2)
    return np.concatenate([np.floor(boxes[..., :2]), np.ceil(boxes[..., 2:])], -1) if whole else boxes


def box_of(mask):
    """(x1, y1, x2, y2) of the edges of a mask's pixels."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])


@pytest.mark.parametrize("name", FIELDS)
def test_boxes_contain_the_boxes_of_their_masks(name):
    """Of boxes that are full, to the edges of the mask's pixels."""
    field = FIELDS[name]
    padding = "zeros" if field.boundary == "free" else "border"
    n, k = 24, 20
    theta, boxes = theta_of(field, n), random_boxes(n, k, whole=True).astype(np.float32)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]][..., None]
    masks = np.zeros((n, *SIZE, k), bool)
    for i in range(n):
        x1, y1, x2, y2 = boxes[i].T
        masks[i] = (x >= x1) & (x < x2) & (y >= y1) & (y < y2)
    warped = warp_masks(field.cpab, masks, theta, padding_mode=padding)
    moved = move_boxes(field.cpab, boxes, theta, SIZE)
    slack = []
    for i in range(n):
        for j in range(k):
            if warped[i, ..., j].any():
                found = box_of(warped[i, ..., j])
                assert (moved[i, j, :2] <= found[:2] + 1e-4).all()
                assert (moved[i, j, 2:] >= found[2:] - 1e-4).all()
                if (found > 0).all() and (found < [SIZE[1], SIZE[0]] * 2).all():
                    slack += [np.abs(moved[i, j] - found).mean()]
    assert np.mean(slack) < 0.4  # and are not larger than they must be


def test_the_image_stays_its_own_box():
    field = FIELDS["sliding"]
    whole = np.array([[0, 0, SIZE[1], SIZE[0]]], np.float32)
    moved = move_boxes(field.cpab, whole, theta_of(field), SIZE)
    np.testing.assert_allclose(moved, np.tile(whole, (8, 1, 1)), atol=1e-3)


def test_identity_keeps_boxes():
    cpab = FIELDS["sliding"].cpab
    theta = cpab.identity(1, backend="numpy", dtype="float64")
    whole = random_boxes(1, 9, whole=True)
    np.testing.assert_allclose(move_boxes(cpab, whole, theta, SIZE), whole, atol=1e-9)
    other = random_boxes(1, 9, whole=False)
    np.testing.assert_allclose(move_boxes(cpab, other, theta, SIZE, whole_pixels=False), other, atol=1e-9)


def test_what_is_no_box_stays():
    field = FIELDS["sliding"]
    padding = np.array([[-1, -1, -1, -1], [5, 5, 5, 9]], np.float32)
    assert np.array_equal(move_boxes(field.cpab, padding, theta_of(field, 2), SIZE), np.tile(padding, (2, 1, 1)))


def test_no_boxes():
    field = FIELDS["sliding"]
    assert move_boxes(field.cpab, np.zeros((2, 0, 4), np.float32), theta_of(field, 2), SIZE).shape == (2, 0, 4)


def test_shapes_of_boxes():
    field = FIELDS["sliding"]
    with pytest.raises(ShapeError, match="boxes must be"):
        move_boxes(field.cpab, np.zeros((2, 3), np.float32), theta_of(field, 2), SIZE)
    with pytest.raises(OptionError, match="size"):
        move_boxes(field.cpab, np.zeros((2, 4), np.float32), theta_of(field, 2), (0, 3))


# -- options -------------------------------------------------------------------------------------------


def test_options_survive_json():
    import json

    family = cpabx.Cpab((2, 3), boundary="free", domain=(0, 1))
    for given in (
        Augmentation.checked(),
        Augmentation.checked((2, 3), p=0.5, mode="cubic", amplitude=0.1, boundary="fixed"),
        Augmentation.checked(family, length_scale=0.2, fill=(0.1, 0.2), mask_fill=7, per_image=False),
    ):
        again = Augmentation.from_config(json.loads(json.dumps(given.config)))
        assert again == given


@pytest.mark.parametrize(
    "wrong",
    [{"p": 1.5}, {"p": "often"}, {"mode": "best"}, {"per_image": 1}, {"amplitude": 2}, {"colour": 1}, {"fill": 1}],
)
def test_wrong_options(wrong):
    with pytest.raises(OptionError):
        Augmentation.checked(**wrong)


def test_numpy_has_no_pipelines():
    with pytest.raises(BackendLoadError, match="RandomField"):
        cpabx.augment.RandomCPAB(backend="numpy")


@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"amplitud": 0.1}, "Did you mean 'amplitude'"),
        ({"seed": 1}, "manual_seed"),
        ({"xyz": 1}, "Leave it out"),
        ({"fill": 1.0}, "Pass padding_mode='zeros'"),
    ],
    ids=repr,
)
def test_options_that_do_not_exist_or_do_not_go_together(options, remedy):
    """What to do about them is said."""
    with pytest.raises(OptionError, match=remedy):
        Augmentation.checked(**options)
