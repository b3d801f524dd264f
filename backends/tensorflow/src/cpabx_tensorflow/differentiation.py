"""How functions of libcpab get their gradients in TensorFlow.

Eagerly a function is called through cffi. In a graph, and on a CUDA device, it is an operation of the op library's,
whose gradient is registered by name, so that nothing of Python is in the graph; without that library, it is a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from cpabx import native
from cpabx.native import arrays, report
from cpabx.native.functions import Function
from cpabx_tensorflow import op_library, portable
from cpabx_tensorflow.host import on_host, threads
from cpabx_tensorflow.problem import Problem, problem_of


class Call(NamedTuple):
    """One call, as its gradient sees it."""

    inputs: tuple[tf.Tensor, ...]
    problem: Any


class Differentiable:
    """A function of tensors and a problem, with its gradient.

    Args:
        function: that of libcpab, a row of :mod:`cpabx.native.functions`.
        gradient: ``gradient(call, *cotangents)`` gives the cotangent of every input.
    """

    def __init__(self, function: Function, gradient: Callable[..., Any]) -> None:
        self.function = function
        self.gradient = gradient
        self.on_arrays = getattr(arrays, function.name)
        self.node = f"cpabx_{function.name}"  # as the op library's wrapper is called

        @tf.RegisterGradient("Cpabx" + function.name.title().replace("_", ""))  # type: ignore[misc]
        def _(node: Any, *cotangents: Any) -> Any:
            return self._backward(Call(tuple(node.inputs), problem_of(function).of(node)), *cotangents)

    def __call__(self, inputs: Sequence[tf.Tensor], problem: Problem) -> Any:
        """One result is returned as it is, several as a tuple."""
        portable.check_not_xla(f"{self.function.name} of libcpab")
        if (library := op_library.in_graph()) is not None:
            return getattr(library, self.node)(*inputs, **problem.attributes())
        if tf.executing_eagerly() and (gpu := op_library.gpu_of(inputs)) is not None:
            return self._on_gpu(gpu, inputs, problem)
        return self._through_python(inputs, problem)

    def _on_gpu(self, gpu: str, inputs: Sequence[tf.Tensor], problem: Problem) -> Any:
        # What is wrong with it, or with a setting, is an error of ours and not one of the kernel's.
        native.cuda_for(f"tensors on {gpu}", otherwise="Or move points and theta to the CPU.")
        report.now()
        with tf.device(gpu), op_library.own_errors():
            return getattr(op_library.load(), self.node)(*inputs, **problem.attributes())

    def _through_python(self, inputs: Sequence[tf.Tensor], problem: Problem) -> Any:
        def on_arrays(*arrays: Any) -> Any:
            return self.on_arrays(*arrays, *problem, n_threads=threads())

        @tf.custom_gradient  # type: ignore[misc]
        def differentiable(*inputs: tf.Tensor) -> Any:
            outputs = on_host(on_arrays, inputs, lambda: self._shapes(inputs, problem))
            result = outputs[0] if len(outputs) == 1 else tuple(outputs)
            return result, lambda *cotangents: self._backward(Call(inputs, problem), *cotangents)

        return differentiable(*inputs)

    def _shapes(self, inputs: Sequence[tf.Tensor], problem: Problem) -> list[Any]:
        """Shapes of the results, as far as they are known. Gradients are in the shape of what they belong to."""
        shapes = [tensor.shape for tensor in inputs]
        results = self.function.shapes(shapes, problem, channels_last=True)
        given = dict(zip(self.function.inputs, shapes, strict=True))
        names = [name.removeprefix("grad_") for name in self.function.outputs]
        return [given.get(name, shape) for name, shape in zip(names, results, strict=True)]

    def _backward(self, call: Call, *cotangents: Any) -> Any:
        return self.gradient(call, *map(tf.convert_to_tensor, cotangents))  # those of tf.gather are sparse
