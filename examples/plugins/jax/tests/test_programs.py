"""Compiled programs call libcpab by themselves, and may outlive the process."""

import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cpabx
from cpabx.errors import CpabxError, NativeLibraryError
from cpabx.native import HOST, functions
from cpabx_jax import handler
from cpabx_jax.call import call
from examples.plugins.jax.tests import calls

FLOW = cpabx.Cpab((3, 2))
POINTS, THETA = jnp.full((4, 2), 0.25, "float32"), FLOW.sample(2, seed=0, backend="jax")
each_function = pytest.mark.parametrize("function", calls.FUNCTIONS, ids=lambda f: f.name)
each_tessellation = pytest.mark.parametrize("tessellation", calls.TESSELLATIONS, ids=["1D", "2D", "3D"])


def compiled(function, problem, *inputs):
    return [np.asarray(x) for x in jax.jit(partial(call, function, problem))(*inputs)]


def by_hand(function, problem, *inputs):
    results = function(HOST, *inputs, *problem)
    return results if isinstance(results, tuple) else (results,)


def same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        assert np.array_equal(a, b, equal_nan=True)


@each_function
@each_tessellation
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_bits_of_other_calls(function, tessellation, dtype):
    """Numbers in a program, such as bounds and times, are those that were put in."""
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, dtype)
    expected = by_hand(function, problem, *inputs)
    assert all(np.abs(x).max() > 1e-3 for x in expected)
    same(compiled(function, problem, *inputs), expected)


def test_constants_of_traced_functions_are_arrays():
    """When JAX runs what it traced, step by step, they are neither its own arrays nor numpy's."""
    images = np.random.default_rng(0).uniform(size=(2, 6, 5, 1)).astype("float32")

    def loss(t):
        return jnp.sum(FLOW.warp(jnp.asarray(images), t) ** 2)

    expected = jax.grad(loss)(THETA)
    np.testing.assert_allclose(jax.grad(jax.checkpoint(loss))(THETA), expected, rtol=1e-5)


@pytest.mark.parametrize("function", [f for f in calls.FUNCTIONS if f.optional], ids=lambda f: f.name)
def test_zeros_are_left_out(function):
    """Without harm, also where all that may be zeros is."""
    tessellation = calls.TESSELLATIONS[1]
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, "float64")
    numbers = [i for i, name in enumerate(function.inputs) if name in function.optional]
    for zeros in ([numbers[0]], [numbers[1]], numbers):
        given = [np.zeros_like(x) if i in zeros else x for i, x in enumerate(inputs)]
        left_out = [None if i in zeros else x for i, x in enumerate(inputs)]
        same(compiled(function, problem, *given), by_hand(function, problem, *left_out))


@each_function
def test_vmap_makes_one_call(function):
    """Of the whole batch, also where some arrays are not mapped over, or along another axis than the first."""
    tessellation = calls.TESSELLATIONS[1]
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, "float64")
    others = [x + 0.01 for x in inputs]
    stacked = [np.stack([x, y], axis) for x, y, axis in zip(inputs, others, (1, 0, 2, 0, 0), strict=False)]
    mapped = jax.vmap(partial(call, function, problem), in_axes=(1, 0, 2, 0, 0)[: len(inputs)])
    for wrap in (lambda f: f, jax.jit):
        for i, given in enumerate((inputs, others)):
            same([np.asarray(x)[i] for x in wrap(mapped)(*stacked)], by_hand(function, problem, *given))
    first_alone = jax.jit(jax.vmap(partial(call, function, problem), in_axes=(1, *[None] * (len(inputs) - 1))))
    same(
        [np.asarray(x)[1] for x in first_alone(stacked[0], *inputs[1:])],
        by_hand(function, problem, others[0], *inputs[1:]),
    )
    assert str(jax.make_jaxpr(mapped)(*stacked)).count("= cpabx[") == 1


@each_function
def test_empty_batches(function):
    tessellation = calls.TESSELLATIONS[1]
    problem, inputs = calls.problem_of(function, tessellation), calls.inputs_of(function, tessellation, "float32", n=0)
    same(compiled(function, problem, *inputs), by_hand(function, problem, *inputs))
    nothing = [np.zeros((0, *x.shape), x.dtype) for x in calls.inputs_of(function, tessellation, "float32")]
    assert all(len(x) == 0 for x in jax.jit(jax.vmap(partial(call, function, problem)))(*nothing))


def test_no_program_calls_python():
    images = jnp.ones((2, 6, 5, 1), "float32")
    gradient = jax.grad(lambda t: jnp.sum(FLOW.warp(images, t)) + jnp.sum(FLOW.transform(POINTS, t)))
    text = jax.jit(gradient).lower(THETA).as_text()
    assert text.count("custom_call @cpabx") >= 2
    assert "callback" not in text


def test_exported_programs_run_in_other_processes(tmp_path):
    """They hold numbers, not addresses."""
    function = jax.jit(jax.value_and_grad(lambda p, t: jnp.sum(jnp.cos(FLOW.transform(p, t))), argnums=1))
    checks = [jax.export.DisabledSafetyCheck.custom_call(handler.TARGET)]
    program = jax.export.export(function, disabled_checks=checks)(POINTS, THETA)
    (tmp_path / "program").write_bytes(program.serialize())
    value, gradient = function(POINTS, THETA)
    np.savez(tmp_path / "arrays", points=POINTS, theta=THETA, value=value, gradient=gradient)
    code = """
        import sys, cpabx, jax, jax.export, numpy as np
        cpabx.get_backend("jax")
        folder = sys.argv[1]
        program = jax.export.deserialize(bytearray(open(f"{folder}/program", "rb").read()))
        arrays = np.load(f"{folder}/arrays.npz")
        value, gradient = program.call(arrays["points"], arrays["theta"])
        print(np.array_equal(value, arrays["value"]), np.array_equal(gradient, arrays["gradient"]))
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "True True\n"), run.stderr


def test_many_tessellations_at_a_time():
    """More than are kept, by programs that run beside each other."""

    def agrees(n_cells):
        problem = cpabx.Tessellation(n_cells), 1.0
        velocity = np.linspace(-1, 1, n_cells + 1).reshape(1, -1, 1) ** 2 / 3
        points = np.linspace(-1.2, 1.2, 300).reshape(1, -1, 1)
        program = jax.jit(partial(call, functions.transform, problem))
        expected = functions.transform(HOST, points, velocity, *problem)
        return all(np.array_equal(program(points, velocity)[0], expected) for _ in range(3))

    numbers = list(range(1, 71))
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(agrees, numbers))
    assert agrees(1)


def test_errors_have_the_text_of_eager_ones(monkeypatch):
    program = jax.jit(FLOW.transform)

    def check(theta):
        with pytest.raises(CpabxError) as eager:
            FLOW.transform(POINTS, theta)
        with pytest.raises(jax.errors.JaxRuntimeError) as late:
            jax.block_until_ready(program(POINTS, theta))
        assert str(eager.value) in str(late.value)

    check(THETA.at[1].multiply(1e9))
    monkeypatch.setenv("CPABX_NUM_THREADS", "many")
    check(THETA)


def test_other_arrays_are_refused():
    """Where a program was not made here."""
    shape = jax.ShapeDtypeStruct((1, 2, 1), "float32")
    attributes = {
        **{"version": "9", "function": "cpab_fold", "cells": np.array([2]), "lower": np.array([-1.0])},
        **{"upper": np.array([1.0]), "outside": np.int64(0), "time": np.float64(1), "padding": np.int64(0)},
        **{"interpolation": np.int64(0), "align_corners": np.int64(0)},
    }
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"got cpab_fold of cpabx 9\."):
        jax.block_until_ready(jax.ffi.ffi_call(handler.TARGET, shape)(jnp.zeros((1, 2, 1)), jnp.zeros(3), **attributes))


def test_other_libraries_are_refused():
    for path, why in (("nowhere.so", "nowhere.so"), (handler.load()._name, "no library of cpabx")):
        with pytest.raises(NativeLibraryError, match=f"must be compiled for {re.escape(path)}; got .*{why}"):
            handler.register(SimpleNamespace(path=path), "cuda", platform="CUDA", name="cpabx_nowhere")


def test_a_wheel_without_the_handler_says_so(monkeypatch):
    monkeypatch.setattr(sys.modules["cpabx_jax"], "__path__", [])
    with pytest.raises(ImportError, match="Install it with pip"):
        handler.load.__wrapped__()
