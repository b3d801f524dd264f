"""A GPU for tests, in the memory of the CPU: see gpu_double.cpp, whose library CPABX_TEST_GPU_DOUBLE names.

TensorFlow for CPUs then has a device GPU:0. It has kernels for few operations there, the op library's among them,
and takes the others to the CPU. libcpab_cuda must lie beside libcpab, and is that of the stand-in for CUDA (the CMake
target ``cpab_cuda_stand_in``). So what runs is the op library as users have it, with its kernels for GPUs, and the
kernels of libcpab_cuda.
"""

import ctypes
import functools
import os

import pytest

VARIABLE = "CPABX_TEST_GPU_DOUBLE"

os.environ.setdefault("CPAB_GPU_MEMORY", "host")  # of the stand-in: all memory is the device's


@functools.cache
def device():
    """The double, which from now on is a device of this process; or a skip that says what to do."""
    path = os.environ.get(VARIABLE)
    if not path:
        pytest.skip(
            f"{VARIABLE} names no library of gpu_double.cpp (CMake's target gpu_double)", allow_module_level=True
        )
    import tensorflow as tf
    from tensorflow.python.framework.load_library import load_pluggable_device_library

    from cpabx_tensorflow import op_library

    load_pluggable_device_library(path)
    assert tf.config.list_logical_devices("GPU"), "TensorFlow had chosen its devices before"
    assert op_library.has_cuda(), "there is no libcpab_cuda beside libcpab"
    return Double(ctypes.CDLL(path))


class Double:
    """What the device can tell."""

    def __init__(self, library):
        for name in ("waits", "copies_to_host", "bytes_to_device"):
            function = getattr(library, f"gpu_double_{name}")
            function.restype = ctypes.c_int64
            setattr(self, name, function)
