"""The functions of libcpab, by themselves and as operators that torch knows.

Each is an :class:`Operator`, which takes the tensors of its row in :mod:`cpabx.native.functions`; for gradients
``wanted``, a flag for each; and the options of its problem. Called like that, it works on the memory of plain tensors.
Its operator ``torch.ops.cpabx.NAME``, for compilers, tracers and ``vmap``, takes the options in plain types. A gradient
that is not wanted is an empty tensor, since an operator cannot return None. Gradients of these functions are in
:mod:`cpabx_torch.flow`, :mod:`cpabx_torch.sampling` and :mod:`cpabx_torch.warp`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.native import functions
from cpabx.native.functions import Function
from cpabx_torch.batching import in_one_batch
from cpabx_torch.devices import check_one_device
from cpabx_torch.memory import DEVICE_MEMORY, MEMORY
from cpabx_torch.problem import FLAT, SCHEMAS


class Operator:
    """A function of libcpab, by its row, as torch calls it."""

    def __init__(self, function: Function) -> None:
        self.function = function
        self.shared = function.shared
        self.n_inputs = len(function.inputs)
        self.is_gradient = all(name.startswith("grad_") for name in function.outputs)
        self.flat, self.problem_of = FLAT[function.kind]
        self.operator = torch.library.custom_op(
            f"cpabx::{function.name}", self._of_plain_options, mutates_args=(), device_types="cpu", schema=self._schema
        )
        self.operator.register_kernel("cuda", self._on_one_device)
        self.operator.register_fake(self._shaped)
        self.operator.register_vmap(
            lambda info, axes, *inputs: in_one_batch(self.operator, self.shared, info.batch_size, axes, inputs)
        )

    def __call__(self, *arguments: Any) -> Any:
        results = self._native(*arguments)
        if self.is_gradient and (results[0] is None or results[1] is None):
            return tuple(arguments[0].new_empty(0) if x is None else x for x in results)
        return results

    def recorded(self, *arguments: Any) -> Any:
        """The call as an operator, which compilers and tracers see."""
        n = self.n_inputs
        if not self.is_gradient:
            return self.operator(*arguments[:n], *self.flat(*arguments[n:]))
        return self.operator(*arguments[:n], *arguments[n], *self.flat(*arguments[n + 1 :]))

    def structured(self, arguments: Sequence[Any]) -> tuple[Any, ...]:
        """The arguments of a call, from those of the operator."""
        n = self.n_inputs
        if not self.is_gradient:
            return *arguments[:n], *self.problem_of(*arguments[n:])
        return *arguments[:n], tuple(arguments[n : n + 2]), *self.problem_of(*arguments[n + 2 :])

    def taped(self, first: Tensor, second: Tensor, *problem: Any) -> tuple[Tensor, Tensor]:
        """The result, and a tape of trajectories for :meth:`replayed`."""
        shared = self.shared and first.requires_grad and first.shape[0] < second.shape[0]
        # The backward pass needs room beside the tape for gradients of shared points, which are added up afterwards.
        beside = second.shape[0] * first.numel() * first.element_size() if shared else 0
        n_points = first.shape[1] if self.function.kind == "flow" else math.prod(problem[2])
        memory, size = MEMORY if first.is_cpu else DEVICE_MEMORY, 0
        if memory.device is None:  # libcpab_cuda walks again
            size = functions.tape_bytes(problem[0], second.element_size(), second.shape[0], n_points, beside=beside)
        tape = torch.empty(size, dtype=torch.uint8, device="cpu")  # whatever torch.set_default_device() says
        return self.function._call(memory, (first, second, *problem), None, None, _memory_of(tape)), tape

    def replayed(self, tape: Tensor, *arguments: Any) -> Any:
        """Gradients of a call that left a tape; None in the place of those that are not wanted."""
        return self._native(*arguments, tape=_memory_of(tape))

    def _native(self, *arguments: Any, tape: tuple[int, int] = (0, 0)) -> Any:
        memory = MEMORY if arguments[0].is_cpu else DEVICE_MEMORY
        if not self.is_gradient:
            return self.function._call(memory, arguments, None, None, tape)
        n = self.n_inputs
        return self.function._call(memory, arguments[:n] + arguments[n + 1 :], None, arguments[n], tape)

    def _of_plain_options(self, *arguments: Any) -> Any:
        return self(*self.structured(arguments))

    def _on_one_device(self, *arguments: Any) -> Any:
        check_one_device(*arguments[: self.n_inputs])
        return self._of_plain_options(*arguments)

    def _shaped(self, *arguments: Any) -> Any:
        """Results without values."""
        n, (first, second) = self.n_inputs, arguments[:2]
        # Of the problem, shapes depend on the size of the output alone.
        problem = (None, None, arguments[n + 2 * self.is_gradient + 4]) if self.function.kind == "warp" else ()
        shapes = self.function.shapes([first.shape, second.shape], problem, channels_last=MEMORY.channels_last)
        wanted = arguments[n : n + 2] if self.is_gradient else (True,) * len(shapes)
        results = [first.new_empty(shape if ok else 0) for shape, ok in zip(shapes, wanted, strict=True)]
        return results[0] if len(results) == 1 else tuple(results)

    @property
    def _schema(self) -> str:
        optional = self.function.optional
        tensors = ", ".join(f"Tensor{'?' * (name in optional)} {name}" for name in self.function.inputs)
        wanted = "".join(f", bool need_{name}" for name in self.function.outputs) if self.is_gradient else ""
        options = SCHEMAS[self.function.kind, self.function.n_options]
        n_outputs = len(self.function.outputs)
        results = "Tensor" if n_outputs == 1 else f"({', '.join(['Tensor'] * n_outputs)})"
        return f"({tensors}{wanted}, {options}) -> {results}"


def _memory_of(tape: Tensor) -> tuple[int, int]:
    return tape.data_ptr(), tape.numel()


transform, transform_vjp = Operator(functions.transform), Operator(functions.transform_vjp)
transform_jvp, transform_vjp_jvp = Operator(functions.transform_jvp), Operator(functions.transform_vjp_jvp)
velocity = Operator(functions.velocity)
jacobian, jacobian_vjp = Operator(functions.jacobian), Operator(functions.jacobian_vjp)
sample, sample_vjp = Operator(functions.sample), Operator(functions.sample_vjp)
warp, warp_vjp = Operator(functions.warp), Operator(functions.warp_vjp)
