"""What is called on CUDA devices, without one.

libcpab_cuda is that of the stand-in for CUDA (the CMake target ``cpab_cuda_stand_in``), which CPABX_TEST_CUDA_LIBRARY
names: it works in the memory of the CPU. So programs for JAX's CPU may call what else those for a GPU would.
"""

import os
import re
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cpabx
from cpabx.errors import DeviceError
from cpabx.native import HOST, functions
from cpabx.native.library import open_cuda
from cpabx_jax import call, handler
from examples.plugins.jax.tests import calls

VARIABLE = "CPABX_TEST_CUDA_LIBRARY"
each_function = pytest.mark.parametrize("function", calls.FUNCTIONS, ids=lambda f: f.name)


@pytest.fixture(scope="module")
def library():
    path = os.environ.get(VARIABLE)
    if not path:
        pytest.skip(f"{VARIABLE} names no libcpab_cuda.so of the stand-in (CMake's target cpab_cuda_stand_in)")
    library = open_cuda(Path(path))
    handler.register(
        library, "cuda", platform="cpu", name="cpabx_without_gpu", function="cpabx_jax_cuda_without_stream"
    )
    return library


@pytest.fixture
def on_device(library, monkeypatch):
    """A function of a problem and arrays, as a program for a device."""
    monkeypatch.setenv("CPAB_GPU_MEMORY", "host")
    monkeypatch.setattr(handler, "TARGET", "cpabx_without_gpu")
    monkeypatch.setattr(call, "cuda_for", lambda received: library)

    def run(function, problem, *inputs):
        program = partial(call._on_cuda, function=function, problem=problem)
        return [np.asarray(x) for x in jax.jit(program)(*inputs)]

    return run


@each_function
@pytest.mark.parametrize("tessellation", calls.TESSELLATIONS, ids=["1D", "2D", "3D"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_are_those_of_the_cpu(on_device, function, tessellation, dtype):
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, dtype)
    expected = function(HOST, *inputs, *problem)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for got, right in zip(on_device(function, problem, *inputs), expected, strict=True):
        tolerance = (2e-4 if dtype == "float32" else 1e-11) * max(1, np.abs(right).max())
        assert got.dtype == right.dtype
        np.testing.assert_allclose(got, right, rtol=0, atol=tolerance)


@each_function
def test_empty_batches(on_device, function):
    tessellation = calls.TESSELLATIONS[1]
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, "float32", n=0)
    assert all(len(x) == 0 for x in on_device(function, problem, *inputs))


def test_what_fails_is_nan(on_device):
    """And its neighbours are right: a program cannot wait for an error."""
    tessellation, (points, velocity) = (
        calls.TESSELLATIONS[1],
        calls.inputs_of(functions.transform, calls.TESSELLATIONS[1], "float64"),
    )
    velocity[1] *= 1e9
    (got,) = on_device(functions.transform, (tessellation, 1.0), points, velocity)
    assert np.isnan(got[1]).all()
    velocity[1] = 0
    right = functions.transform(HOST, points, velocity, tessellation, 1.0)
    np.testing.assert_allclose(got[::2], right[::2], rtol=0, atol=1e-12)


def test_programs_of_another_version_are_refused(on_device, monkeypatch):
    """Their tables may be others."""
    function, tessellation = functions.transform, calls.TESSELLATIONS[1]
    genuine = call.attributes
    monkeypatch.setattr(call, "attributes", lambda *given: {**genuine(*given), "version": "0.0.1"})
    inputs = calls.inputs_of(function, tessellation, "float64")
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"got 0\.0\.1, and cpabx"):
        on_device(function, (tessellation, 1.0), *inputs)


def test_programs_for_cuda_hold_tables_and_scratch(library, monkeypatch):
    """As JAX makes them of what users call; it needs no GPU for that."""
    monkeypatch.setattr(call, "cuda_for", lambda received: library)
    flow = cpabx.Cpab((3, 2))
    traced = jax.jit(flow.transform).trace(jnp.zeros((5, 2), "float32"), flow.identity(2, backend="jax"))
    text = traced.lower(lowering_platforms=("cuda",)).as_text()
    (line,) = (line for line in text.splitlines() if "custom_call @cpabx" in line)
    inputs, results = line.rsplit(" : ", 1)[1].split(" -> ")
    assert re.match(r"\(tensor<[1-9]\d*xui8>, tensor<2x5x2xf32>, tensor<2x\d+x2xf32>\)", inputs)
    assert re.match(r"\(tensor<[1-9]\d*xui8>, tensor<2x5x2xf32>\)", results)


def test_cuda_without_its_library_is_refused(monkeypatch):
    """When a program is made for a device, not before."""
    monkeypatch.setattr("cpabx.native.library._CUDA_FILE_NAME", "libcpab_cuda_that_is_not_there.so")
    monkeypatch.setattr("cpabx.native.library.load_cuda", cpabx.native.load_cuda.__wrapped__)
    flow = cpabx.Cpab((3, 2))
    traced = jax.jit(flow.transform).trace(jnp.zeros((5, 2), "float32"), flow.identity(2, backend="jax"))
    with pytest.raises(DeviceError, match="need libcpab_cuda"):
        traced.lower(lowering_platforms=("cuda",))
