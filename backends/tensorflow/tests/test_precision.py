"""Half and double precision in graphs: theta and warp in float32 at least, results in the compute dtype."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from cpabx_tensorflow import layers, op_library

SHAPE = (12, 10, 2)
POLICIES = ["float32", "float64", "float16", "bfloat16", "mixed_float16", "mixed_bfloat16"]
each_policy = pytest.mark.parametrize("policy", POLICIES)


def made(policy, localization="fcn"):
    layer = layers.STAffineCPAB((2, 2), dtype=policy, localization=localization, input_shape=SHAPE)
    rng = np.random.default_rng(0)
    layer.set_weights([w + 0.05 * rng.standard_normal(w.shape).astype(w.dtype) for w in layer.get_weights()])
    return layer


def images(dtype="float32"):
    return tf.cast(np.random.default_rng(1).uniform(size=(3, *SHAPE)), dtype)


@each_policy
def test_graphs_compute_what_is_computed_eagerly(policy):
    layer = made(policy)
    x, step = images(layer.compute_dtype), 1e-2 if "16" in policy else 1e-5
    got, expected = tf.function(layer)(x), layer(x)
    assert got.dtype == expected.dtype == layer.compute_dtype
    np.testing.assert_allclose(tf.cast(got, "float64"), tf.cast(expected, "float64"), rtol=0, atol=step)


@pytest.mark.skipif(op_library.load() is None, reason="the op library is not built, or off")
@each_policy
def test_what_moves_is_never_half_precision(policy):
    graph = tf.function(made(policy)).get_concrete_function(images()).graph
    types = {node.get_attr("T") for node in graph.get_operations() if node.type.startswith("Cpabx")}
    assert types == {tf.float64 if policy == "float64" else tf.float32}


@pytest.mark.parametrize(("policy", "resolution"), [("mixed_float16", 2**-10), ("mixed_bfloat16", 2**-7)])
def test_mixed_precision_trains_as_float32_does(policy, resolution):
    """One step in a graph, with a scaled loss where Keras scales: weights change as in float32.

    The difference is that of a localization network in half precision, a dozen layers there and back.
    """
    changes = []
    for each in (policy, "float32"):
        keras.utils.set_random_seed(0)
        optimizer = keras.optimizers.SGD(0.1)
        if each == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        model = keras.Sequential([keras.Input(SHAPE), made(each)])
        before = model.get_weights()
        model.compile(optimizer, "mse")
        model.fit(images(), np.roll(images(), 1, 2), batch_size=3, verbose=0, shuffle=False)
        changes.append([after - was for after, was in zip(model.get_weights(), before, strict=True)])
    for got, expected in zip(*changes, strict=True):
        assert got.dtype == np.float32
        assert np.linalg.norm(got - expected) <= 16 * resolution * np.linalg.norm(expected)
    assert max(np.abs(expected).max() for expected in changes[1]) > 1e-5
