"""The augmentation as a Keras layer: seeds, dictionaries, tf.data, fit and saving."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import cpabx
from cpabx.errors import OptionError, ShapeError

H, W = 40, 56


def make(*arguments, **options):
    return cpabx.augment.RandomCPAB(*arguments, backend="tensorflow", **options)


def images(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def labelled(n=6):
    """Images that show their masks, the boxes of these, and keypoints."""
    rng = np.random.default_rng(0)
    low = rng.integers(2, 20, (n, 3, 2))
    high = low + rng.integers(4, 18, (n, 3, 2))
    boxes = np.concatenate([low, high], -1).astype(np.float32)
    y, x = np.mgrid[:H, :W][..., None]
    masks = np.stack([(x >= b[:, 0]) & (x < b[:, 2]) & (y >= b[:, 1]) & (y < b[:, 3]) for b in boxes])
    return {
        "images": masks.astype(np.float32),
        "segmentation_masks": masks.astype(np.uint8),
        "bounding_boxes": {"boxes": boxes, "labels": np.zeros((n, 3), np.int32)},
        "keypoints": low.astype(np.float32),
        "labels": np.arange(n),
    }


def test_seeds():
    x = images(4, H, W, 3)
    layer = make((3, 3), seed=1)
    first, second = layer(x), layer(x)
    assert not np.array_equal(first, second)
    assert np.array_equal(make((3, 3), seed=1)(x), first)
    keras.utils.set_random_seed(5)
    third = make((3, 3))(x)
    keras.utils.set_random_seed(5)
    assert np.array_equal(make((3, 3))(x), third)


def test_each_image_has_its_own_map():
    x = np.repeat(images(1, H, W, 3), 3, axis=0)
    each, one = make((2, 2), seed=0)(x), make((2, 2), seed=0, per_image=False)(x)
    assert not np.array_equal(each[0], each[1])
    assert np.array_equal(one[0], one[1])
    assert not np.array_equal(one[0], x[0])


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64"])
def test_images_come_in_the_compute_dtype(dtype):
    x = (images(2, H, W, 1) * 255).astype(dtype)
    assert make((2, 2))(x).dtype == "float32"
    assert make((2, 2), dtype="mixed_float16")(x).dtype == "float16"
    assert make((2, 2), dtype="float64")(x).dtype == "float64"
    warped = make((2, 2), seed=3)(x).numpy()
    np.testing.assert_allclose(make((2, 2), seed=3, dtype="mixed_float16")(x), warped, atol=0.1)
    assert warped.max() > 200


def test_only_in_training():
    x = images(2, H, W, 1)
    layer = make((2, 2))
    assert np.array_equal(layer(x, training=False), x)
    assert not np.array_equal(layer(x, training=True), x)


@pytest.mark.parametrize("boundary", ["sliding", "free"])
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_all_parts_stay_together(p, boundary):
    data = labelled()
    after = make((3, 3), seed=2, p=p, mode="nearest", boundary=boundary)(data)
    masks = np.asarray(after["segmentation_masks"])
    assert masks.dtype == np.uint8
    assert np.array_equal(np.asarray(after["images"]), masks)
    assert np.array_equal(after["labels"], data["labels"])
    assert np.array_equal(after["bounding_boxes"]["labels"], data["bounding_boxes"]["labels"])
    changed = [not np.array_equal(a, b) for a, b in zip(masks, data["segmentation_masks"], strict=True)]
    assert any(changed)
    assert all(changed) == (p == 1)
    for mask, boxes, moved in zip(masks, np.asarray(after["bounding_boxes"]["boxes"]), changed, strict=True):
        for k, box in enumerate(boxes):
            rows, columns = np.flatnonzero(mask[..., k].any(1)), np.flatnonzero(mask[..., k].any(0))
            if len(rows):
                assert (box[:2] <= [columns[0] + 1e-3, rows[0] + 1e-3]).all()
                assert (box[2:] >= [columns[-1] + 1 - 1e-3, rows[-1] + 1 - 1e-3]).all()
                assert moved or (box == [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).all()


def test_keypoints_are_where_the_image_shows_them():
    y, x = np.mgrid[:H, :W].astype(np.float32)
    points = np.random.default_rng(0).uniform(12, 28, (4, 5, 2)).astype(np.float32)
    places = np.tile(np.stack([x, y], -1), (4, 1, 1, 1))
    after = make((3, 3), seed=0)({"images": places, "keypoints": points})
    for image, before, moved in zip(after["images"], points, np.asarray(after["keypoints"]), strict=True):
        for (px, py), (mx, my) in zip(before, moved, strict=True):
            i, j = int(my), int(mx)
            square, fy, fx = image.numpy()[i : i + 2, j : j + 2], my - i, mx - j
            shown = np.einsum("i,j,ijc->c", [1 - fy, fy], [1 - fx, fx], square)
            assert np.linalg.norm(shown - [px, py]) < 0.2


@pytest.mark.parametrize("name", ["yxyx", "xywh", "center_xywh", "rel_xyxy"])
def test_formats_of_boxes(name):
    data = labelled()
    expected = make((3, 3), seed=0)(data)["bounding_boxes"]["boxes"]
    convert = keras.utils.bounding_boxes.convert_format
    size = {"height": H, "width": W, "dtype": "float32"}
    boxes = convert(data["bounding_boxes"]["boxes"], source="xyxy", target=name, **size)
    layer = make((3, 3), seed=0, bounding_box_format=name)
    moved = layer({"images": data["images"], "bounding_boxes": boxes})["bounding_boxes"]
    np.testing.assert_allclose(convert(moved, source=name, target="xyxy", **size), expected, atol=1e-3)


def test_padding_of_boxes_stays():
    boxes = np.full((2, 3, 4), -1, np.float32)
    boxes[:, 0] = [3, 4, 20, 30]
    moved = make((2, 2))({"images": images(2, H, W, 1), "bounding_boxes": boxes})["bounding_boxes"]
    assert np.array_equal(moved[:, 1:], boxes[:, 1:])
    assert not np.array_equal(moved[:, 0], boxes[:, 0])


def test_one_image():
    data = {name: value[0] for name, value in labelled().items() if name != "bounding_boxes"}
    after = make((2, 2))({**data, "segmentation_masks": data["segmentation_masks"][..., 0]})
    assert after["images"].shape == (H, W, 3)
    assert after["segmentation_masks"].shape == (H, W)
    assert after["keypoints"].shape == (3, 2)
    assert make((2, 2))(images(H, W, 3)).shape == (H, W, 3)


@pytest.mark.parametrize("batched", [False, True])
def test_in_tf_data(batched):
    data = labelled()
    dataset = tf.data.Dataset.from_tensor_slices(data)
    dataset = dataset.batch(4) if batched else dataset
    layer = make((2, 2), mode="nearest", seed=0)
    seen = list(dataset.map(layer))
    assert len(seen) == (2 if batched else 6)
    for part in seen:
        assert np.array_equal(np.asarray(part["images"]), part["segmentation_masks"])
    if not batched:
        again = list(dataset.map(layer))
        assert not np.array_equal(again[0]["images"], seen[0]["images"])


def test_sizes_that_a_graph_does_not_know():
    layer = make((2, 2), seed=0)
    signature = tf.TensorSpec((None, None, None, 1), tf.float32)
    boxes = tf.TensorSpec((None, 2, 4), tf.float32)
    run = tf.function(
        lambda x, b: layer({"images": x, "segmentation_masks": tf.cast(x > 0.5, tf.uint8), "bounding_boxes": b}),
        input_signature=[signature, boxes],
    )
    for size in ((2, 20, 30, 1), (3, 30, 20, 1)):
        x = images(*size)
        after = run(x, np.tile(np.array([[2, 3, 9, 9], [5, 5, 15, 12]], np.float32), (size[0], 1, 1)))
        assert after["images"].shape == size
        assert after["bounding_boxes"].shape == (size[0], 2, 4)
        assert not np.array_equal(after["images"], x)


def test_in_a_model_that_is_trained_and_saved(tmp_path):
    inputs = keras.Input((12, 12, 1))
    hidden = make(cpabx.Cpab((2, 2), boundary="fixed"), amplitude=0.1, p=0.9, seed=4)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(hidden)))
    model.compile("adam", "mse")
    x, y = images(8, 12, 12, 1), np.zeros((8, 1), np.float32)
    model.fit(x, y, epochs=2, batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    before, after = (next(m for m in net.layers if "cpab" in m.name) for net in (model, again))
    assert after.augmentation == before.augmentation
    assert after.seed == 4


def test_functional_models_of_dictionaries():
    spec = {"images": keras.Input((H, W, 3), dtype="uint8"), "segmentation_masks": keras.Input((H, W), dtype="int32")}
    after = make((2, 2))(spec)
    assert after["images"].shape == (None, H, W, 3)
    assert after["images"].dtype == "float32"
    assert after["segmentation_masks"].dtype == "int32"


def test_wrong_inputs():
    layer = make((2, 2))
    with pytest.raises(OptionError, match="images"):
        layer({"pictures": images(2, H, W, 1)})
    with pytest.raises(ShapeError):
        layer(images(3, 4))
    with pytest.raises(OptionError, match="bounding_box_format"):
        make((2, 2), bounding_box_format="corners")


def test_a_tuple_of_images_and_labels():
    """What a data set of pairs gives: the error has the line that takes them apart."""
    with pytest.raises(OptionError, match="lambda images, labels"):
        make((2, 2))((images(2, H, W, 3), np.arange(2)))
