"""Engines: what they build, what they compute, what they learn; each by a route of its own."""

import math

import numpy as np
import pytest

from cpabx.errors import DeviceError, OptionError, ShapeError
from cpabx_experiments.protocol.experiments import protocol
from cpabx_experiments.protocol.initial import initial_weights
from cpabx_experiments.protocol.jobs import Job
from cpabx_experiments.protocol.models import TABLE2, TABLE3
from cpabx_experiments.protocol.models import network as paper_network
from cpabx_experiments.protocol.network import Convolution, Features, Network, count, shapes
from cpabx_experiments.training.engines import CheckpointError, Training, TrainingDivergedError
from experiments.tests.engine_cases import attributes, bars, disturbed, network, pairs

SETTING = Training(epochs=3, batch=10, learning_rate=1e-2)


# -- what is built ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "data"),
    [*((model, "mnist-rts") for model in TABLE2), *((model, "lfw") for model in TABLE3[-2:]), ("CNN", "celeba")],
)
def test_the_counted_parameters_are_those_that_are_built(engine, model, data):
    net = paper_network(model, data, side=32 if data == "lfw" else None)
    trainer = engine.trainer(net, SETTING, 0)
    assert trainer.parameters == count(net)
    assert [weight.shape for weight in trainer.weights()] == shapes(net)


@pytest.mark.parametrize("model", TABLE3)
def test_weights_are_those_of_the_seed_and_those_that_are_set(engine, model):
    net = network(model)
    trainer = engine.trainer(net, SETTING, 7)
    assert trainer.parameters == count(net)
    assert all(map(np.array_equal, trainer.weights(), initial_weights(net, 7)))
    others = initial_weights(net, 8)
    trainer.set_weights(others)
    assert all(map(np.array_equal, trainer.weights(), others))
    with pytest.raises(ShapeError, match="weights must be"):
        trainer.set_weights(others[:-1])


def test_a_device_that_is_not_there_is_named(engine):
    engine.prepare(device="cpu")
    with pytest.raises(DeviceError, match="'abacus:7'"):
        engine.prepare(device="abacus:7")


def test_a_seed_is_a_natural_number(engine):
    with pytest.raises(OptionError, match="at least 0; got -1"):
        engine.trainer(network("CNN"), SETTING, -1)


# -- what is computed ------------------------------------------------------------------------------


def convolved(images, kernel, bias):
    """(N, H, W, C) by (k, k, C, F), same size: by the definition, float64."""
    k = len(kernel)
    before = (k - 1) // 2
    padded = np.pad(images, [(0, 0), (before, k - 1 - before), (before, k - 1 - before), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))  # (N, H, W, C, k, k)
    return np.einsum("nhwcij,ijcf->nhwf", windows, kernel) + bias


def pooled(images, size, reduce):
    n, height, width, channels = images.shape
    cut = images[:, : height // size * size, : width // size * size]
    return reduce(cut.reshape(n, height // size, size, width // size, size, channels), axis=(2, 4))


def by_hand(images, weights, part):
    """The features of a network, in numpy."""
    weights = iter(weights)
    images = pooled(images.astype(np.float64), part.reduce, np.mean)
    for convolution in part.convolutions:
        images = convolved(images, next(weights), next(weights))
        images = pooled(np.maximum(images, 0), convolution.pool, np.max)
    vectors = images.reshape(len(images), -1)
    for _ in part.dense:
        vectors = np.maximum(vectors @ next(weights) + next(weights), 0)
    return vectors @ next(weights) + next(weights)


def test_logits_are_those_of_the_definition(engine):
    part = Features(2, (Convolution(3, 5), Convolution(4, 3, pool=3)), (6, 5))
    trainer = disturbed(engine.trainer(Network((15, 26, 2), part, 4), SETTING, 0))
    data = bars(9)
    images = np.random.default_rng(0).random((9, 15, 26, 2), np.float32)
    data = type(data)("noise", images, np.arange(9) % 4)
    expected = by_hand(images, trainer.weights(), part)
    np.testing.assert_allclose(trainer.predict(data), expected, atol=1e-5)
    assert trainer.accuracy(data) == (expected.argmax(1) == data.labels).mean()


@pytest.mark.parametrize("basis", ["orthonormal", "normalized"])
@pytest.mark.parametrize("model", ["ST-CPAB", "ST-Affine+CPAB"])
def test_theta_is_that_of_the_definition_and_views_are_its_warps(engine, model, basis):
    net = network(model, basis=basis)
    trainer = disturbed(engine.trainer(net, SETTING, 0))
    data, family = bars(5), net.transformer.family
    theta = trainer.theta(data.images)
    first = by_hand(data.images, trainer.weights(), net.transformer.localization)
    np.testing.assert_allclose(theta[:, : first.shape[1]], first, atol=1e-5)
    assert np.abs(theta - np.asarray(family.identity(1, backend="numpy"))).max() > 1e-2
    expected = family.warp(data.images.astype(np.float64), theta.astype(np.float64))
    np.testing.assert_allclose(trainer.views(data.images), expected, atol=1e-4)


@pytest.mark.parametrize("model", ["CNN", "ST-TPS"])
def test_views_are_the_images_at_first(engine, model):
    images = bars(4).images
    trainer = engine.trainer(network(model), SETTING, 0)
    np.testing.assert_allclose(trainer.views(images), images, atol=1e-5)


def test_without_a_transformer_a_small_view_is_a_mean(engine):
    net = Network((12, 12, 1), Features(dense=(4,)), 3, view=(4, 4))
    images = bars(4).images
    trainer = engine.trainer(net, SETTING, 0)
    np.testing.assert_allclose(trainer.views(images), pooled(images, 3, np.mean), atol=1e-6)
    with pytest.raises(OptionError, match="a network without"):
        trainer.theta(images)
    with pytest.raises(ShapeError, match="images of this network"):
        trainer.views(images[:, 1:])


@pytest.mark.parametrize("model", TABLE3)
def test_every_classifier_of_the_digits_starts_with_the_same_view(engine, model):
    """At half the size the identity is the mean of 2x2 pixels: the plain network gets what the others begin with."""
    chosen = protocol("digits")
    trainer = engine.trainer(Job(model, 0, 1.0).network(chosen), chosen.training, 0)
    images = np.random.default_rng(0).random((3, 42, 42, 1), np.float32)
    np.testing.assert_allclose(trainer.views(images), pooled(images, 2, np.mean), atol=1e-5)
    assert trainer.parameters == pytest.approx(50_000, rel=0.02)


def test_a_pair_is_told_by_the_distance_of_its_features(engine):
    """The order of a pair does not matter, and of an image with itself nothing is left but the bias."""
    data, net = pairs(12), network("ST-CPAB", task="pairs", outputs=1)
    trainer = disturbed(engine.trainer(net, SETTING, 0))
    logits = trainer.predict(data)
    swapped = type(data)("swapped", data.images, data.right, data.left, data.same)
    np.testing.assert_allclose(trainer.predict(swapped), logits, atol=1e-5)
    itself = type(data)("itself", data.images, data.left, data.left, data.same)
    np.testing.assert_allclose(trainer.predict(itself), np.full((12, 1), trainer.weights()[-1]), atol=1e-5)
    assert np.ptp(logits) > 1e-2


# -- what is learned -------------------------------------------------------------------------------


def adam(weights, gradients, rate, b1=0.9, b2=0.999, epsilon=1e-8):
    """Algorithm 1 of Kingma and Ba, in float64; gradients is a function of the weights."""
    weights = [weight.astype(np.float64) for weight in weights]
    means, squares = ([np.zeros_like(weight) for weight in weights] for _ in range(2))
    while True:
        for step in range(1, 1000):
            for i, gradient in enumerate(gradients(weights)):
                means[i] = b1 * means[i] + (1 - b1) * gradient
                squares[i] = b2 * squares[i] + (1 - b2) * gradient**2
                corrected = means[i] / (1 - b1**step), squares[i] / (1 - b2**step)
                weights[i] = weights[i] - rate * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
            yield weights


@pytest.mark.parametrize("task", ["classes", "attributes"])
@pytest.mark.parametrize("scale", [1, 1e-6])
def test_steps_are_those_of_adam(engine, task, scale):
    """A linear network on one batch an epoch, whose gradient fits in a line; also where it is of epsilon's size."""
    data = bars(10) if task == "classes" else attributes(10, 3)
    data = type(data)("scaled", data.images * np.float32(scale), data.labels)
    trainer = engine.trainer(Network((12, 12, 1), Features(), 3, task), SETTING, 0)
    x = data.images.reshape(10, -1).astype(np.float64)

    def probabilities(weights):
        z = x @ weights[0] + weights[1]
        return np.exp(z) / np.exp(z).sum(1, keepdims=True) if task == "classes" else 1 / (1 + np.exp(-z))

    def gradients(weights):
        targets = np.eye(3)[data.labels] if task == "classes" else data.labels
        error = (probabilities(weights) - targets) / (10 if task == "classes" else 30)
        return [x.T @ error, error.sum(0)]

    steps = adam(trainer.weights(), gradients, SETTING.learning_rate)
    for _ in range(3):
        p = probabilities([weight.astype(np.float64) for weight in trainer.weights()])
        if task == "classes":
            expected = -np.log(p[np.arange(10), data.labels]).mean()
        else:
            expected = -np.log(np.where(data.labels == 1, p, 1 - p)).mean()
        assert trainer.train(data).loss == pytest.approx(expected, rel=1e-5)
        for weight, right in zip(trainer.weights(), next(steps), strict=True):
            np.testing.assert_allclose(weight, right, rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize(("task", "outputs", "data"), [("classes", 3, bars(200)), ("pairs", 1, pairs(200))])
def test_a_transformer_and_its_classifier_learn(engine, task, outputs, data):
    net = network("ST-CPAB", task=task, outputs=outputs)
    trainer = engine.trainer(net, Training(epochs=20, batch=20, learning_rate=5e-3), 0)
    assert not trainer.theta(data.images[:30]).any()
    epochs = [trainer.train(data) for _ in range(20)]
    assert epochs[0].loss < 1.2 * math.log(max(2, outputs))
    assert epochs[-1].loss < 0.5 * epochs[0].loss
    assert epochs[-1].accuracy > 0.9
    assert trainer.accuracy(data) > 0.9
    theta = trainer.theta(data.images[:30])
    assert np.abs(theta).max() > 1e-2
    assert theta.std(0).max() > 1e-3  # not the same for every image
    assert all(epoch.seconds > 0 for epoch in epochs)
    assert trainer.epoch == 20
    with pytest.raises(OptionError, match="20 epochs"):
        trainer.train(data)


def test_too_fast_a_training_says_so(engine):
    trainer = disturbed(engine.trainer(network("ST-CPAB"), SETTING, 0), size=1e4)
    with pytest.raises(TrainingDivergedError, match=r"Lower the learning rate, which is 0\.01"):
        trainer.train(bars(20))
    assert trainer.epoch == 0


def test_a_loss_that_is_no_number_says_so(engine):
    trainer = engine.trainer(network("CNN"), SETTING, 0)
    trainer.set_weights([np.full_like(weight, np.nan) for weight in trainer.weights()])
    with pytest.raises(TrainingDivergedError, match="a loss of nan"):
        trainer.train(bars(20))


# -- going on --------------------------------------------------------------------------------------


def noise(images, rng):
    return images + rng.normal(0, 0.01, images.shape)


@pytest.mark.parametrize("model", ["CNN", "ST-CPAB"])
def test_training_goes_on_as_if_it_had_not_stopped(engine, model, tmp_path):
    """The last batches are smaller, and there is dropout, augmentation, and a rate that falls."""
    net, data = network(model), bars(45)
    training = Training(epochs=3, batch=10, learning_rate=1e-2, schedule="cosine", dropout=0.3)
    through = engine.trainer(net, training, 1, augment=noise)
    losses = [through.train(data).loss]
    through.save(tmp_path / "checkpoint")
    losses += [through.train(data).loss for _ in range(2)]

    resumed = engine.trainer(net, training, 1, augment=noise)
    resumed.load(tmp_path / "checkpoint")
    assert resumed.epoch == 1
    assert [resumed.train(data).loss for _ in range(2)] == losses[1:]
    assert all(map(np.array_equal, resumed.weights(), through.weights()))
    np.testing.assert_array_equal(resumed.predict(data), through.predict(data))


def test_a_checkpoint_before_the_first_step_is_one(engine, tmp_path):
    net, data = network("CNN"), bars(20)
    first, second = (engine.trainer(net, SETTING, 1) for _ in range(2))
    first.save(tmp_path / "checkpoint")
    second.load(tmp_path / "checkpoint")
    assert second.train(data).loss == first.train(data).loss
    assert all(map(np.array_equal, second.weights(), first.weights()))


def test_a_file_of_another_network_changes_nothing(engine, tmp_path):
    engine.trainer(network("ST-Affine"), SETTING, 0).save(tmp_path / "affine")
    trainer = engine.trainer(network("CNN"), SETTING, 0)
    before = trainer.weights()
    with pytest.raises(CheckpointError, match=r"one of another: network\.transformer"):
        trainer.load(tmp_path / "affine")
    assert all(map(np.array_equal, trainer.weights(), before))


def test_dropout_is_of_training_alone(engine):
    data = bars(30)
    without, dropping = (engine.trainer(network("CNN"), Training(epochs=1, dropout=dropout), 0) for dropout in (0, 0.5))
    np.testing.assert_array_equal(without.predict(data), dropping.predict(data))
    assert abs(without.train(data).loss - dropping.train(data).loss) > 1e-3
