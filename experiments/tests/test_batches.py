"""Batches: each image once in an epoch, shares that add up, and numbers that come from the seed alone."""

import math

import numpy as np
import pytest

from cpabx.errors import OptionError, ShapeError
from cpabx_experiments.data import Dataset
from cpabx_experiments.training.engines import Training
from cpabx_experiments.training.engines.batches import Share, batches, check, right
from experiments.tests.engine_cases import attributes, bars, network, pairs


def epoch_of(data, net, share=None, epoch=0, augment=None, **training):
    training = Training(**{"epochs": 4, "batch": 10, **training})
    return list(batches(data, net, training, seed=5, epoch=epoch, share=share or Share(), augment=augment))


def numbered(n):
    data = bars(n)
    return Dataset("numbered", data.images + np.arange(n, dtype=np.float32)[:, None, None, None], np.arange(n) % 3)


def numbers(found):
    return [round(float(image.min())) for batch in found for image in batch.images]


def test_an_epoch_has_each_image_once_in_an_order_of_its_own():
    orders = [numbers(epoch_of(numbered(23), network("CNN"), epoch=epoch)) for epoch in (0, 1, 0)]
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(23)) != orders[0]


def test_the_last_batch_may_be_smaller():
    assert [batch.size for batch in epoch_of(numbered(23), network("CNN"))] == [10, 10, 3]


@pytest.mark.parametrize("augment", [None, lambda images, rng: images + rng.normal(size=images.shape)])
@pytest.mark.parametrize("data", [bars(21), pairs(21)], ids=["images", "pairs"])
def test_shares_are_parts_of_the_same_batches(data, augment):
    """Also those of augmented images, and of what dropout keeps: numbers are drawn for the whole batch."""
    task = {"task": "pairs", "outputs": 1} if data.name == "pairs" else {}
    net = network("CNN", **task)
    whole = epoch_of(data, net, augment=augment, dropout=0.5)
    shares = [epoch_of(data, net, Share(rank, 3), augment=augment, dropout=0.5) for rank in range(3)]
    for batch, *parts in zip(whole[:2], *(share[:2] for share in shares), strict=True):
        for name in ("targets", "keep", "weights"):
            joined = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(joined, getattr(batch, name))
        images = [part.images.reshape(-1, len(part.targets), *net.image) for part in parts]
        np.testing.assert_array_equal(np.concatenate(images, axis=1).reshape(batch.images.shape), batch.images)


def test_a_process_without_an_image_gets_one_that_does_not_count():
    """21 images in batches of 10: the last one has an image for the first process alone."""
    last = [epoch_of(bars(21), network("CNN"), Share(rank, 3))[-1] for rank in range(3)]
    assert [batch.weights.tolist() for batch in last] == [[1], [0], [0]]
    assert {len(batch.images) for batch in last} == {1}
    assert {batch.size for batch in last} == {1}


def test_pairs_have_their_left_images_first_and_bytes_become_shares_of_one():
    data = pairs(7)
    (batch,) = epoch_of(data, network("CNN", task="pairs", outputs=1))
    order = np.random.default_rng((5, 0)).permutation(7)
    expected = np.concatenate([data.images[data.left[order]], data.images[data.right[order]]]) / 255
    np.testing.assert_allclose(batch.images, expected, rtol=1e-6)
    assert batch.images.dtype == np.float32
    assert batch.targets[:, 0].tolist() == data.same[order].tolist()


def test_dropout_leaves_out_its_share_and_keeps_the_mean():
    keep = np.concatenate([batch.keep for batch in epoch_of(bars(300), network("CNN"), batch=100, dropout=0.25)])
    assert set(np.unique(keep)) == {0, np.float32(1) / np.float32(0.75)}
    assert keep.shape == (300, 8)
    assert keep.mean() == pytest.approx(1, abs=0.05)


def test_the_rate_falls_along_half_a_cosine():
    rates = [
        batch.rate
        for epoch in range(4)
        for batch in epoch_of(bars(20), network("CNN"), epoch=epoch, schedule="cosine", learning_rate=0.1)
    ]
    np.testing.assert_allclose(rates, [0.05 * (1 + math.cos(math.pi * i / 8)) for i in range(8)])
    assert {batch.rate for batch in epoch_of(bars(20), network("CNN"), learning_rate=0.1)} == {0.1}


def test_augmentation_must_keep_the_size():
    with pytest.raises(ShapeError, match="augment must return images"):
        epoch_of(bars(20), network("CNN"), augment=lambda images, rng: images[:, 1:])


def test_right_answers():
    logits = np.array([[0.1, -1.0, 2.0], [3.0, 1.0, 0.5]])
    assert right(logits, np.array([2, 1])).tolist() == [1, 0]
    np.testing.assert_allclose(right(logits, np.array([[1.0, 1, 1], [1, 1, 1]])), [2 / 3, 1])


@pytest.mark.parametrize(
    ("data", "net", "message"),
    [
        (bars(4), network("CNN", channels=3), r"images of this network must be \(N, 12, 12, 3\)"),
        (bars(4), network("CNN", task="pairs", outputs=1), "data for pairs; got Dataset bars"),
        (pairs(4), network("CNN"), "data for classes; got Pairs pairs"),
        (bars(40), network("CNN", outputs=2), r"integers from 0 to 1; got \(40,\) from 0 to 2"),
        (attributes(4), network("CNN", outputs=2), "integers from 0"),
        (attributes(4), network("CNN", task="attributes", outputs=3), r"must be \(4, 3\)"),
        (bars(4).take(np.arange(0)), network("CNN"), "something to learn from"),
    ],
)
def test_data_that_do_not_fit_are_refused(data, net, message):
    with pytest.raises(ShapeError, match=message):
        check(data, net)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epochs": 0}, "at least 1"),
        ({"batch": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "positive"),
        ({"learning_rate": float("nan")}, "positive"),
        ({"dropout": 1.0}, r"\[0, 1\)"),
        ({"schedule": "steps"}, "constant, cosine"),
    ],
)
def test_a_training_that_cannot_be_is_refused(options, message):
    with pytest.raises(OptionError, match=message):
        Training(**{"epochs": 1, **options})
