"""The functions of libcpab, by themselves and as operators that torch knows.

Each is an :class:`Operator`, which takes the tensors of its row in :mod:`cpabx.native.functions`; for gradients
``wanted``, a flag for each; and the options of its problem. Called like that, it works on the memory of plain tensors.
Its operator ``torch.ops.cpabx.NAME``, for compilers, tracers and ``vmap``, takes the options in plain types. A gradient
that is not wanted is an empty tensor, since an operator cannot return None. Gradients of these functions are in
:mod:`cpabx_torch.flow`, :mod:`cpabx_torch.sampling` and :mod:`cpabx_torch.warp`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.native import functions
from cpabx.native.functions import Function
from cpabx.sampling import Sampling
from cpabx_torch.batching import in_one_batch
from cpabx_torch.devices import check_one_device
from cpabx_torch.memory import DEVICE_MEMORY, MEMORY
from cpabx_torch.precision import without_autocast
from cpabx_torch.problem import FLAT, SCHEMAS


class Operator:
    """A function of libcpab as torch calls it.

    Args:
        function: its row.
        call: what computes it, if that is not libcpab alone.
    """

    def __init__(self, function: Function, call: Callable[..., Any] | None = None) -> None:
        self.function = function
        self.shared = function.shared
        self.n_inputs = len(function.inputs)
        self.is_gradient = all(name.startswith("grad_") for name in function.outputs)
        self.flat, self.problem_of = FLAT[function.kind]
        self._call = call or self._native
        self.operator = torch.library.custom_op(
            f"cpabx::{function.name}", self._of_plain_options, mutates_args=(), device_types="cpu", schema=self._schema
        )
        self.operator.register_kernel("cuda", self._on_one_device)
        self.operator.register_fake(self._shaped)
        self.operator.register_vmap(
            lambda info, axes, *inputs: in_one_batch(self.operator, self.shared, info.batch_size, axes, inputs)
        )

    def __call__(self, *arguments: Any) -> Any:
        results = self._call(*arguments)
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


# -- sampling by torch's own kernel, where that is faster ------------------------------------------


_MODES, _PADDINGS = ("linear", "nearest"), ("zeros", "border", "reflection")


def _is_for_torch(images: Tensor, points: Tensor, sampling: Sampling) -> bool:
    """Whether torch's own kernel can take it: the faster one in 2D, but it makes some pixel of what is not finite."""
    if sampling.mode not in _MODES or sampling.padding_mode not in _PADDINGS:
        return False
    if (MEMORY if images.is_cpu else DEVICE_MEMORY).device is not None:  # to know what is finite takes a wait there
        return False
    if images.ndim != 4 or images.numel() == 0 or points.numel() == 0:
        return False
    flat = points.reshape(-1)
    with without_autocast(flat):
        return math.isfinite(torch.dot(flat, flat).item())  # nor is a square of what overflows in pixels


def _torchs(sampling: Sampling) -> tuple[int, int, bool]:
    """Options as its kernels know them."""
    return _MODES.index(sampling.mode), _PADDINGS.index(sampling.padding_mode), sampling.align_corners


def _sample(images: Tensor, points: Tensor, sampling: Sampling) -> Tensor:
    if _is_for_torch(images, points, sampling):
        return torch.grid_sampler_2d(images, points[:, None], *_torchs(sampling))[:, :, 0]
    return sample._native(images, points, sampling)  # type: ignore[no-any-return]


def _sample_vjp(images: Tensor, points: Tensor, grad_out: Tensor, wanted: Sequence[bool], sampling: Sampling) -> Any:
    if not _is_for_torch(images, points, sampling):
        return sample_vjp._native(images, points, grad_out, wanted, sampling)
    grads = torch.ops.aten.grid_sampler_2d_backward(
        grad_out[:, :, None], images, points[:, None], *_torchs(sampling), list(wanted)
    )
    return grads[0] if wanted[0] else None, grads[1][:, 0] if wanted[1] else None


transform, transform_vjp = Operator(functions.transform), Operator(functions.transform_vjp)
transform_jvp, transform_vjp_jvp = Operator(functions.transform_jvp), Operator(functions.transform_vjp_jvp)
velocity = Operator(functions.velocity)
jacobian, jacobian_vjp = Operator(functions.jacobian), Operator(functions.jacobian_vjp)
sample, sample_vjp = Operator(functions.sample, _sample), Operator(functions.sample_vjp, _sample_vjp)
warp, warp_vjp = Operator(functions.warp), Operator(functions.warp_vjp)
