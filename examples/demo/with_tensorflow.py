"""The models in Keras with TensorFlow: made, trained, asked."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray
from protocol import (
    BATCH,
    CANVAS,
    CLASSIFIER_FILTERS,
    LEARNING_RATE,
    LOCALIZATION_FILTERS,
    LOCALIZATION_WIDTH,
    VIEW,
    Model,
)

import cpabx

Array = NDArray[np.float32]
VERSION = f"TensorFlow {tf.__version__}"


def prepare(threads: int) -> None:
    """To be called once, before anything else."""
    cpabx.set_backend("tensorflow")
    with contextlib.suppress(RuntimeError):  # TensorFlow has started already, in somebody else's test
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def convolutions(filters: tuple[int, ...]) -> list[keras.Layer]:
    """5x5 convolutions, each followed by a maximum over 2x2 pixels, and flat features."""
    stages = [[layers.Conv2D(n, 5, padding="same", activation="relu"), layers.MaxPooling2D(2)] for n in filters]
    return [*(layer for stage in stages for layer in stage), layers.Flatten()]


def localization() -> keras.Sequential:
    """From the canvas to features of where and how the digit is; half the resolution suffices for that."""
    return keras.Sequential(
        [
            layers.AveragePooling2D(2),
            *convolutions(LOCALIZATION_FILTERS),
            layers.Dense(LOCALIZATION_WIDTH, activation="relu"),
        ]
    )


def view(layer: str | None) -> keras.Layer:
    """From the canvas to the image that the classifier sees."""
    if layer is None:
        return layers.AveragePooling2D(CANVAS // VIEW)
    networks = (localization(), localization()) if layer == "STAffineCPAB" else localization()
    spatial_transformer = getattr(cpabx.layers, layer)
    return spatial_transformer(localization=networks, input_shape=(CANVAS, CANVAS, 1), output_size=(VIEW, VIEW))


def build(model: Model, hidden: int, seed: int) -> keras.Sequential:
    """A network of images (N, 42, 42, 1) to logits (N, 10); its first layer is the view."""
    keras.utils.set_random_seed(seed)
    classifier = [*convolutions(CLASSIFIER_FILTERS), layers.Dense(hidden, activation="relu"), layers.Dense(10)]
    network = keras.Sequential([view(model.layer), *classifier])
    network.build((None, CANVAS, CANVAS, 1))
    return network


def count(network: keras.Model) -> int:
    """Trainable parameters."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def train(
    network: keras.Model, images: Array, labels: NDArray[np.int64], *, epochs: int, seed: int, tick: Callable[[], None]
) -> list[float]:
    """Minimise the cross entropy; calls tick after each epoch. Returns seconds per epoch."""
    keras.utils.set_random_seed(seed)
    rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * -(-len(images) // BATCH))
    network.compile(
        keras.optimizers.Adam(rate, epsilon=1e-8),  # torch's epsilon
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    clock = _Clock(tick)
    network.fit(images, labels, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[clock])
    return clock.seconds


class _Clock(keras.callbacks.Callback):
    """Measures epochs."""

    def __init__(self, tick: Callable[[], None]) -> None:
        super().__init__()
        self.tick = tick
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        self.seconds.append(time.perf_counter() - self.start)
        self.tick()


def predict(network: keras.Model, images: Array) -> NDArray[np.int64]:
    """(N,) labels."""
    # Called, not `predict`: that would build a graph for these few images.
    batches = np.split(images, range(500, len(images), 500))
    return np.concatenate([np.asarray(network(batch, training=False)) for batch in batches]).argmax(1)


def views(network: keras.Sequential, images: Array) -> Array:
    """(N, 21, 21): the images as the classifier sees them."""
    return np.asarray(network.layers[0](images))[..., 0]
