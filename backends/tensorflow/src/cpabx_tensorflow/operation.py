"""Functions of libcpab as TensorFlow calls and differentiates them.

Eagerly they are called through cffi. In a graph they are nodes of the op library's, whose gradients are
registered by name, so that nothing of Python is in the graph; without that library, callbacks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import tensorflow as tf

from cpabx_tensorflow import op_library
from cpabx_tensorflow.host import on_host, threads
from cpabx_tensorflow.problem import Flow, Warp

Problem = TypeVar("Problem", Flow, Warp)
Shape = Sequence[int | None]


class Call(NamedTuple, Generic[Problem]):
    """One call, as its gradient sees it."""

    inputs: tuple[tf.Tensor, ...]
    outputs: tuple[tf.Tensor, ...]
    problem: Problem


class Operation(Generic[Problem]):
    """A function of tensors and a problem.

    Args:
        name: its name in the op library.
        kind: of the problem.
        compute: the function on numpy arrays: ``compute(*inputs, *problem, n_threads=...)``.
        shapes: of its results, as far as they are known, from the inputs and the problem.
        gradient: ``gradient(call, *cotangents)`` gives the cotangent of every input.
    """

    def __init__(
        self,
        name: str,
        kind: type[Problem],
        *,
        compute: Callable[..., Any],
        shapes: Callable[..., Sequence[Shape]],
        gradient: Callable[..., Any],
    ) -> None:
        self.name = re.sub("(?<!^)(?=[A-Z])", "_", name).lower()  # as the library's wrappers are called
        self.compute = compute
        self.shapes = shapes
        self.gradient = gradient

        @tf.RegisterGradient(name)  # type: ignore[misc]
        def _(node: Any, *cotangents: Any) -> Any:
            return self._backward(Call(tuple(node.inputs), tuple(node.outputs), kind.of(node)), *cotangents)

    def __call__(self, inputs: Sequence[tf.Tensor], problem: Problem) -> tuple[tf.Tensor, ...]:
        library = op_library.in_graph()
        if library is None:
            return self._through_python(inputs, problem)
        return tuple(tf.nest.flatten(getattr(library, self.name)(*inputs, **problem.attributes())))

    def _through_python(self, inputs: Sequence[tf.Tensor], problem: Problem) -> tuple[tf.Tensor, ...]:
        def on_arrays(*arrays: Any) -> Any:
            return self.compute(*arrays, *problem, **threads())

        @tf.custom_gradient  # type: ignore[misc]
        def differentiable(*inputs: tf.Tensor) -> Any:
            outputs = tuple(on_host(on_arrays, inputs, self.shapes(inputs, problem)))
            return outputs, lambda *cotangents: self._backward(Call(inputs, outputs, problem), *cotangents)

        return differentiable(*inputs)  # type: ignore[no-any-return]

    def _backward(self, call: Call[Problem], *cotangents: Any) -> Any:
        return self.gradient(call, *map(tf.convert_to_tensor, cotangents))  # those of tf.gather are sparse
