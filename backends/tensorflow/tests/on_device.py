"""``pytest -p backends.tensorflow.tests.on_device``: any tests of TensorFlow, with all calls on the GPU of
device_double.py.

Eager calls go there wherever their tensors lie, and graphs by TensorFlow's own choice. Each call is waited for, so
errors are those of the CPU.
"""

import functools
import os

import tensorflow as tf

from backends.tensorflow.tests import device_double

os.environ["CPABX_CHECK"] = "now"

if not os.environ.get(device_double.VARIABLE):
    raise RuntimeError(f"{device_double.VARIABLE} must name the library of gpu_double.cpp")
device_double.device()

from cpabx_tensorflow import backend, op_library  # noqa: E402 -- TensorFlow must know the device before


def on_cpu(function):
    """The function, with its operations and variables on the CPU."""

    @functools.wraps(function)
    def called(*arguments, **options):
        with tf.device("CPU:0"):
            return function(*arguments, **options)

    return called


op_library.gpu_of = lambda tensors: "/GPU:0"
# There are no kernels for GPUs but ours, so what is computed is on one device or the other: to the frontend, on one.
backend.TensorFlowBackend.device = lambda self, tensor: "cpu" if tf.executing_eagerly() else "graph"
backend.TensorFlowBackend.generator = on_cpu(backend.TensorFlowBackend.generator)
