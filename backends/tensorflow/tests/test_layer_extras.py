"""Theta and grid of one run: exact where the localization draws at random, symbolic, in graphs, and saved."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cpabx.layers import LAYER_NAMES
from cpabx_tensorflow import layers, op_library

SHAPE = (12, 10, 2)
BOTH = {"return_theta": True, "return_grid": True}
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


@pytest.fixture(autouse=True)
def _seed():
    keras.utils.set_random_seed(0)


def images(n=4):
    return np.random.default_rng(0).uniform(0, 1, (n, *SHAPE)).astype("float32")


def trained(layer):
    """A layer away from the identity."""
    rng = np.random.default_rng(1)
    layer.build((None, *SHAPE))
    for network in layer._networks:
        kernel, bias = network.layers[-1].get_weights()
        network.layers[-1].set_weights([kernel + 0.05 * rng.standard_normal(kernel.shape), bias])
    return layer


def features():
    """They differ from run to run."""
    pooled, flat = keras.layers.AveragePooling2D(3), keras.layers.Flatten()
    return keras.Sequential([pooled, keras.layers.BatchNormalization(momentum=0.5), flat, keras.layers.Dropout(0.5)])


def noisy(name, **options):
    pair = name == "STAffineCPAB"
    return trained(getattr(layers, name)(localization=[features(), features()] if pair else features(), **options))


@each_layer
def test_theta_made_this_output_in_training(name):
    layer = noisy(name, padding_mode="border")
    x = tf.constant(images())
    output, theta, grid = layer(x, training=True, **BOTH)
    # Batch normalization took one step, half of the way, from its mean of 0.
    norm = layer.localization.layers[0].layers[1]
    pooled = keras.layers.AveragePooling2D(3)(x)
    if name != "STRecurrent":  # which takes one for each look, at another image
        np.testing.assert_allclose(norm.moving_mean, 0.5 * tf.reduce_mean(pooled, (0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(layer.transformation.warp(x, theta, padding_mode="border"), output, atol=1e-5)
    assert grid.shape == (4, 12, 10, 2)
    assert np.any(layer(x, training=True, return_theta=True)[1] != theta)
    assert np.abs(output - x).max() > 0.01


def test_theta_made_this_output_of_layers_side_by_side():
    members = [noisy("STCPAB"), noisy("STAffine")]
    x = tf.constant(images())
    outputs, thetas = layers.STParallel(members)(x, training=True, return_theta=True)
    for member, output, theta in zip(members, outputs, thetas, strict=True):
        np.testing.assert_allclose(member.transformation.warp(x, theta), output, atol=1e-5)


def test_two_passes_give_the_theta_of_both():
    layer, x = trained(layers.STAffineCPAB((2, 2), interpolate="twice")), tf.constant(images())
    output, theta = layer(x, return_theta=True)
    affine, cpab = layer.transformation.parts
    between = affine.warp(x, theta[:, : affine.n_params])
    np.testing.assert_allclose(cpab.warp(between, theta[:, affine.n_params :]), output, atol=1e-5)


def shapes(tensors):
    return [(tuple(tensor.shape), tensor.dtype) for tensor in tf.nest.flatten(tensors)]


@each_layer
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_functional_models(name, dtype, tmp_path):
    """Shapes and types are known in advance; a model of all three outputs is run, saved and loaded."""
    layer = getattr(layers, name)(output_size=(5, 6), dtype=dtype)
    d, inputs = layer.transformation.n_params, keras.Input(SHAPE)
    outputs = layer(inputs, **BOTH)
    compute = layer.compute_dtype
    assert shapes(outputs) == [((None, 5, 6, 2), compute), ((None, d), "float32"), ((None, 5, 6, 2), "float32")]
    assert shapes(layer(inputs, return_theta=True)) == shapes(outputs[:2])
    model = keras.Model(inputs, outputs)
    trained(layer)
    results = model(images())
    assert shapes(results) == [((4, *shape[1:]), kind) for shape, kind in shapes(outputs)]
    model.save(tmp_path / "model.keras")
    for other in (model.predict(images(), verbose=0), keras.saving.load_model(tmp_path / "model.keras")(images())):
        for got, expected in zip(other, results, strict=True):
            np.testing.assert_allclose(got, expected, atol=1e-3 if dtype == "mixed_float16" else 1e-5)


@pytest.mark.parametrize("merge", [None, "channels"])
def test_functional_models_of_layers_side_by_side(merge):
    options = {"output_size": (5, 6)}
    layer = layers.STParallel([layers.STCPAB((2, 2), **options), layers.STAffine(**options)], merge=merge)
    inputs = keras.Input(SHAPE)
    outputs = layer(inputs, **BOTH)
    model = keras.Model(inputs, outputs)
    assert [shape[1:] for shape, _ in shapes(model(images()))] == [shape[1:] for shape, _ in shapes(outputs)]
    assert [len(tf.nest.flatten(part)) for part in outputs] == [1 if merge else 2, 2, 2]


@pytest.mark.skipif(op_library.load() is None, reason="graphs with CPAB are saved with the op library")
@each_layer
def test_in_graphs_and_saved_models(name, tmp_path):
    """A function of a batch of any size; and what is served."""
    layer = trained(getattr(layers, name)())

    @tf.function(input_signature=[tf.TensorSpec((None, *SHAPE))])
    def serve(x):
        return dict(zip(("output", "theta", "grid"), layer(x, **BOTH), strict=True))

    module = tf.Module()
    module.layer, module.serve = layer, serve
    tf.saved_model.save(module, tmp_path / "saved", signatures=serve)
    loaded = tf.saved_model.load(tmp_path / "saved").signatures["serving_default"]
    for n in (1, 3):
        expected = layer(tf.constant(images(n)), **BOTH)
        for results in (serve(images(n)), loaded(tf.constant(images(n)))):
            for got, right in zip((results["output"], results["theta"], results["grid"]), expected, strict=True):
                np.testing.assert_allclose(got, right, atol=1e-5)


@each_layer
def test_penalties_reach_every_weight(name):
    """Of the grid alone, and of theta alone."""
    layer = trained(getattr(layers, name)(localization="fcn"))
    for which in (1, 2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(images(), **BOTH)[which] ** 2)
        grads = tape.gradient(loss, layer.trainable_variables)
        assert all(grad is not None and np.isfinite(grad).all() and np.any(grad) for grad in grads)


@pytest.mark.parametrize("interpolate", ["once", "twice"])
def test_both_networks_see_zeros_beyond_the_lengths(interpolate):
    """Also the second one, where the first map has put the fill there."""
    seen = [], []

    class Recorder(keras.layers.Flatten):
        def __init__(self, record):
            super().__init__()
            self.see = record.append  # Keras keeps a copy of a list

        def call(self, series):
            self.see(series)
            return super().call(series)

    networks = [keras.Sequential([Recorder(record)]) for record in seen]
    layer = layers.STAffineCPAB((3,), interpolate=interpolate, localization=networks, fill=7.0)
    series = np.random.default_rng(0).uniform(1, 2, (2, 8, 1)).astype("float32")
    output = layer(series, lengths=[3, 8])
    first, second = (record[-1].numpy() for record in seen)
    np.testing.assert_allclose(second, first, atol=1e-5)
    assert not second[0, 3:].any()
    assert (output[0, 3:].numpy() == 7).all()
