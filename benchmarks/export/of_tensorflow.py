"""Layers of Keras, in what serves them."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import cpabx
from benchmarks.export.cases import SCALE, Array, Case
from benchmarks.export.targets import Run


def native(case: Case, threads: int) -> Any:
    """The layer, whose theta depend on the images."""
    if tf.config.threading.get_intra_op_parallelism_threads() != threads:  # before its first operation, or never
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    cpabx.set_backend("tensorflow")
    keras.utils.set_random_seed(0)
    layer = case.made("tensorflow")
    layer(case.images(2, channels_last=True))
    noise = np.random.default_rng(0)
    for weight in layer.trainable_variables:
        if not np.any(np.asarray(weight)) and (weight.shape.rank == 2 or case.layer == "CPABActivation"):
            weight.assign(SCALE * noise.standard_normal(weight.shape))
    return layer


def runs(function: Any) -> Run:
    """Arrays in and out, of one graph for all batches."""
    graph = tf.function(function, reduce_retracing=True)

    def run(images: Array) -> Any:
        return graph(tf.constant(images)).numpy()

    return run


def saved_model(layer: Any, case: Case, folder: Path, threads: int) -> Run:
    """Written by ``model.export`` and read by TensorFlow."""
    model = keras.Sequential([keras.Input((*case.size, case.channels)), layer])
    model.export(folder / "layer", verbose=False)
    loaded = tf.saved_model.load(str(folder / "layer"))  # which holds the variables
    return runs(lambda images: loaded.serve(images))


def xla(layer: Any, case: Case, folder: Path, threads: int) -> Run:
    """Compiled by ``tf.function(jit_compile=True)``, in the portable form, for each size of a batch."""
    graph = tf.function(_portable(layer, case), jit_compile=True)

    def run(images: Array) -> Any:
        return graph(tf.constant(images)).numpy()

    return run


def tflite(layer: Any, case: Case, folder: Path, threads: int) -> Run:
    """In the portable form, run by LiteRT."""
    interpreter: Any = importlib.import_module("ai_edge_litert.interpreter")
    shape = tf.TensorSpec((None, *case.size, case.channels), tf.float32)
    graph = tf.function(_portable(layer, case)).get_concrete_function(shape)
    content = tf.lite.TFLiteConverter.from_concrete_functions([graph]).convert()
    model = interpreter.Interpreter(model_content=content, num_threads=threads)
    (given,), (result,) = model.get_input_details(), model.get_output_details()

    def run(images: Array) -> Any:
        model.resize_tensor_input(given["index"], images.shape)
        model.allocate_tensors()
        model.set_tensor(given["index"], images)
        model.invoke()
        return model.get_tensor(result["index"])

    return run


def _portable(layer: Any, case: Case) -> Any:
    """The layer with CPAB in standard operations."""
    if case.layer == "CPABActivation":
        form: Any = importlib.import_module("cpabx.export")

        def activation(values: Any) -> Any:
            with form.portable(100):
                return layer(values)

        return activation
    twin = case.made("tensorflow", export="portable")
    twin(case.images(2, channels_last=True))
    twin.set_weights(layer.get_weights())
    return twin
