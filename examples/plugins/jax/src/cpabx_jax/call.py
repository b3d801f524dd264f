"""A call of libcpab as an operation of JAX: at once where arrays have values on the CPU, else as part of a program.

The first axis of all arrays is that of the batch, whose items do not meet. So many batches are one.
"""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import batching, mlir

from cpabx.errors import NativeLibraryError
from cpabx.native import HOST, cuda_for, load, load_cuda, tables_of
from cpabx.native.functions import Function, scratch_bytes
from cpabx_jax import handler
from cpabx_jax.problem import attributes, tessellation_of

Shape = tuple[int, ...]

_call = Primitive("cpabx")
_call.multiple_results = True


def call(function: Function, problem: tuple[Any, ...], *inputs: jax.Array) -> tuple[jax.Array, ...]:
    """Results of a function of :mod:`cpabx.native.functions`, in the type of the inputs."""
    return tuple(_call.bind(*inputs, function=function, problem=problem))


def _shapes(function: Function, problem: tuple[Any, ...], inputs: Any) -> list[Shape]:
    return function.shapes([x.shape for x in inputs], problem, channels_last=True)


def _describe(*inputs: Any, function: Function, problem: tuple[Any, ...]) -> list[Any]:
    return [jax.core.ShapedArray(shape, inputs[0].dtype) for shape in _shapes(function, problem, inputs)]


_call.def_abstract_eval(_describe)


# -- with values -----------------------------------------------------------------------------------


def _at_once(*inputs: jax.Array, function: Function, problem: tuple[Any, ...]) -> Any:
    """Exceptions arrive as they are, and so does Ctrl-C."""
    # What comes out of a traced function's constants is on no device.
    devices = frozenset().union(*(x.devices() for x in inputs if hasattr(x, "devices")))
    if len(devices) > 1 or any(device.platform != "cpu" for device in devices):
        return _compiled(*inputs, function=function, problem=problem)
    given = map(np.asarray, inputs)
    optional = [name in function.optional for name in function.inputs]
    results = function(
        HOST, *(None if may and not x.any() else x for x, may in zip(given, optional, strict=True)), *problem
    )
    with jax.default_device(next(iter(devices), None)):
        return [jnp.asarray(result) for result in (results if isinstance(results, tuple) else (results,))]


_call.def_impl(_at_once)
_compiled = jax.jit(_call.bind, static_argnames=("function", "problem"))


def _batched(inputs: Any, axes: Any, *, function: Function, problem: tuple[Any, ...]) -> Any:
    """The axis that vmap puts in front is more items of the batch."""
    (size,) = {x.shape[axis] for x, axis in zip(inputs, axes, strict=True) if axis is not None}
    spread = [
        jnp.broadcast_to(x, (size, *x.shape)) if axis is None else jnp.moveaxis(x, axis, 0)
        for x, axis in zip(inputs, axes, strict=True)
    ]
    n_batch = spread[0].shape[1]
    results = call(function, problem, *(x.reshape(size * n_batch, *x.shape[2:]) for x in spread))
    return [x.reshape(size, n_batch, *x.shape[1:]) for x in results], [0] * len(results)


batching.primitive_batchers[_call] = _batched


# -- in programs -----------------------------------------------------------------------------------


def _on_cpu(*inputs: Any, function: Function, problem: tuple[Any, ...]) -> Any:
    shapes = [jax.ShapeDtypeStruct(shape, inputs[0].dtype) for shape in _shapes(function, problem, inputs)]
    return jax.ffi.ffi_call(handler.TARGET, shapes)(*inputs, **attributes(load(), function, problem))


def _on_cuda(*inputs: Any, function: Function, problem: tuple[Any, ...]) -> Any:
    """Tables of the tessellation are a constant of the program, and scratch is a result that nobody uses."""
    library = cuda_for("a computation for one")
    tessellation, itemsize = tessellation_of(function, problem), inputs[0].dtype.itemsize
    tables = np.empty(0, np.uint8) if tessellation is None else tables_of(library, tessellation, itemsize)
    scratch = scratch_bytes(library, function, [x.shape for x in inputs], itemsize, problem, channels_last=True)
    shapes = [jax.ShapeDtypeStruct(shape, inputs[0].dtype) for shape in _shapes(function, problem, inputs)]
    run = jax.ffi.ffi_call(handler.TARGET, [jax.ShapeDtypeStruct((scratch,), np.uint8), *shapes])
    return run(tables, *inputs, **attributes(library, function, problem))[1:]


mlir.register_lowering(_call, mlir.lower_fun(_on_cpu, multiple_results=True), platform="cpu")
mlir.register_lowering(_call, mlir.lower_fun(_on_cuda, multiple_results=True), platform="cuda")


handler.register(load(), "cpu", platform="cpu")
with contextlib.suppress(NativeLibraryError):  # of which _on_cuda tells
    handler.register(load_cuda(), "cuda", platform="CUDA")
