"""Run as ``gradients_of_replicas.py ROLE FILE``: the gradients of one model, alone or on several replicas.

ROLE is ``alone``, ``mirrored`` (on two logical CPUs), or ``worker``, as ``TF_CONFIG`` says.
"""

import contextlib
import sys

import keras
import numpy as np
import tensorflow as tf

import cpabx

SHAPE, BATCH = (12, 10, 2), 6


def make_model():
    """Convolutions, a spatial transformer with two warps, and a classifier; the same in every process."""
    layer = cpabx.layers.STAffineCPAB((2, 2), interpolate="twice", localization="fcn")
    model = keras.Sequential([keras.Input(SHAPE), layer, keras.layers.Flatten(), keras.layers.Dense(3)])
    rng = np.random.default_rng(0)
    model.set_weights([0.05 * rng.standard_normal(w.shape) for w in model.get_weights()])
    return model


def gradients(model, images):
    """Of this share of the loss on the whole batch."""
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(images, training=True) ** 2) / BATCH
    return tape.gradient(loss, [v.value for v in model.trainable_variables])


def strategy_of(role):
    if role == "mirrored":
        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    return tf.distribute.MultiWorkerMirroredStrategy() if role == "worker" else None


def added_up(strategy, model, images):
    """The sum over replicas, each of which has its share of the images."""
    shares = strategy.experimental_distribute_dataset(share_evenly(tf.data.Dataset.from_tensors(images).unbatch()))

    def on_replica(share):
        tf.debugging.assert_equal(len(share), BATCH // strategy.num_replicas_in_sync)
        return tf.distribute.get_replica_context().all_reduce("sum", gradients(model, share))

    sums = tf.function(lambda share: strategy.run(on_replica, (share,)))(next(iter(shares)))
    return [strategy.experimental_local_results(each)[-1] for each in sums]


def share_evenly(dataset):
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.batch(BATCH).with_options(options)


def main(role, file):
    strategy = strategy_of(role)  # before anything else of TensorFlow, as it demands
    cpabx.set_backend("tensorflow")
    images = np.random.default_rng(1).uniform(size=(BATCH, *SHAPE)).astype("float32")
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = make_model()
    result = added_up(strategy, model, images) if strategy else tf.function(gradients)(model, tf.constant(images))
    np.savez(file, *result, replicas=strategy.num_replicas_in_sync if strategy else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
