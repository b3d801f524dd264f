"""The models and their training in Keras on TensorFlow."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import keras
from budget import within_budget
from data import Digits
from protocol import BATCH, CANVAS, FILTERS, KERNEL, LAYER_OUTPUT, LEARNING_RATE, LOCALIZATION_HIDDEN

import cpabx


def _convolutions() -> list[keras.layers.Layer]:
    layers = keras.layers
    stack = []
    for filters in FILTERS:
        stack += [layers.Conv2D(filters, KERNEL, padding="same", activation="relu"), layers.MaxPooling2D(2)]
    return [*stack, layers.Flatten()]


def _localization() -> keras.Sequential:
    hidden = keras.layers.Dense(LOCALIZATION_HIDDEN, activation="relu")
    return keras.Sequential([keras.layers.AveragePooling2D(2), *_convolutions(), hidden])


def _transformer(layer: str) -> keras.layers.Layer:
    localization = (_localization(), _localization()) if layer == "STAffineCPAB" else _localization()
    make = getattr(cpabx.layers, layer)
    shape = (CANVAS, CANVAS, 1)
    return make(localization=localization, input_shape=shape, output_size=LAYER_OUTPUT, backend="tensorflow")


def n_params(model: keras.Model) -> int:
    return int(model.count_params())


def build(layer: str | None, seed: int) -> keras.Sequential:
    """A classifier behind a layer, with as many parameters as any other."""

    def of_width(width: int) -> keras.Sequential:
        keras.utils.set_random_seed(seed)
        front = [_transformer(layer)] if layer else []
        hidden = keras.layers.Dense(width, activation="relu")
        top = keras.layers.Dense(10)
        return keras.Sequential([keras.Input((CANVAS, CANVAS, 1)), *front, *_convolutions(), hidden, top])

    return within_budget(of_width, n_params)


def train(model: keras.Sequential, digits: Digits, epochs: int, seed: int, after_epoch: Callable[[], Any]) -> float:
    """Trains and returns the seconds per epoch."""
    keras.utils.set_random_seed(seed)
    n_steps = epochs * math.ceil(len(digits.images) / BATCH)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, n_steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False)
    progress = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: after_epoch())
    start = time.perf_counter()
    model.fit(digits.images, digits.classes, BATCH, epochs, verbose=0, callbacks=[progress])
    return (time.perf_counter() - start) / epochs


def accuracy(model: keras.Sequential, digits: Digits) -> float:
    predicted = model.predict(digits.images, batch_size=500, verbose=0).argmax(1)
    return float((predicted == digits.classes).mean())


def seen(model: keras.Sequential, digits: Digits) -> Any:
    """(N, h, w): what the layer in front makes of the images."""
    return keras.ops.convert_to_numpy(model.layers[0](digits.images))[..., 0]
