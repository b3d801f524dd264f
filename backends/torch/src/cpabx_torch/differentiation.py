"""Gradients of functions that work on the memory of tensors.

Each is an operator, for compilers and tracers, and becomes a ``torch.autograd.Function``. That takes part in
torch.func, which operators of ours cannot, and spares plain tensors the layers that torch puts around an
operator: they cost several times as much as calling it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from cpabx.errors import UnsupportedError
from cpabx_torch.batching import in_one_batch, mapped, mapping

if TYPE_CHECKING:
    from cpabx_torch.functions import Operator

_C: Any = torch._C


def differentiable(
    function: Operator, save: Callable[..., None], backward: Callable[..., Any], *, taped_for: Sequence[int] = ()
) -> Callable[..., Any]:
    """The function with its gradient.

    Args:
        function: of libcpab.
        save: ``save(ctx, inputs, output)``, as for ``torch.library.register_autograd``; the inputs are tensors, and
            what follows them in the function's arguments.
        backward: ``backward(ctx, *grads)`` gives the gradients of the tensors.
        taped_for: numbers of the inputs whose gradient is computed from a tape that the forward call leaves, for plain
            tensors: ``backward`` finds it behind the two tensors in ``ctx.saved_tensors``. It is of use to
            :func:`takes_tapes`.
    """

    def save_plain(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.n_inputs = len(inputs)
        save(ctx, function.structured(inputs), output)

    def filled(ctx: Any, *grads: Any) -> tuple[Any, ...]:
        """With nothing for what is no tensor."""
        found = backward(ctx, *grads)
        return *found, *[None] * (ctx.n_inputs - len(found))

    function.operator.register_autograd(filled, setup_context=save_plain)

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(*packed: Any) -> Any:
            inputs = _unpacked(packed)
            plain = is_plain(*(x for x in inputs if isinstance(x, Tensor)))
            return (function if plain else function.recorded)(*inputs)

        @staticmethod
        def setup_context(ctx: Any, packed: tuple[Any, ...], output: Any) -> None:
            ctx.n_inputs = len(packed)
            save(ctx, _unpacked(packed), output)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return filled(ctx, *grads)[: ctx.n_inputs]  # tensors that are None may be among the packed options

        @staticmethod
        def vmap(info: Any, in_dims: tuple[Any, ...], *packed: Any) -> Any:
            return in_one_batch(call, function.shared, info.batch_size, in_dims, _unpacked(packed))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            raise UnsupportedError(
                "CPAB transformations and sampling have no forward-mode derivative of a gradient",
                "torch.func.jvp, jacfwd or hessian of what torch.func.grad, vjp or jacrev made",
                "Use torch.func.jacrev(torch.func.jacrev(f)), or jacrev(jacfwd(f)).",
            )

    class Taped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, first: Tensor, second: Tensor, *problem: Any) -> Any:
            output, tape = function.taped(first, second, *problem)
            ctx.options, ctx.n_inputs = problem, 2 + len(problem)
            ctx.save_for_backward(first, second, tape)
            return output

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return filled(ctx, grad)

    apply: Any = Differentiable.apply
    apply_taped = apply_of(Taped)

    def call(*inputs: Any) -> Any:
        if torch.compiler.is_compiling():
            return function.recorded(*inputs)
        if _C._get_tracing_state() is not None:
            raise _frozen_sizes()
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        if (level := mapping()) is not None:
            return mapped(level, call, function.shared, inputs)
        if not is_plain(*tensors):
            return apply(*_packed(inputs))
        if taped_for and torch.is_grad_enabled():
            for i in taped_for:
                if inputs[i].requires_grad:
                    return apply_taped(*inputs)
        return apply(*_packed(inputs)) if _is_watched(*tensors) else function(*inputs)

    return call


def apply_of(function: type[torch.autograd.Function]) -> Any:
    """Its ``apply`` for plain tensors, without what torch does before it for those of torch.func."""
    return super(torch.autograd.Function, function).apply  # type: ignore[misc]


def given(grads: Sequence[Tensor | None], wanted: Sequence[bool]) -> tuple[Tensor | None, ...]:
    """None in the place of gradients that were not asked for."""
    return tuple(grad if ok else None for grad, ok in zip(grads, wanted, strict=True))


def _frozen_sizes() -> UnsupportedError:
    """A traced layer would give every image the size, and every batch the options, of the one it was traced with."""
    return UnsupportedError(
        "flows and sampling must be recorded by a tracer for which sizes may change",
        "torch.jit.trace, which writes down those of one call",
        "Use torch.export.export with dynamic_shapes, torch.compile, or trace in: with cpabx.export.portable(strides), "
        "where pictures keep the size of the example.",
    )


class _Options:
    """What follows the last tensor, as one thing: torch.func looks into lists and tuples, again and again."""

    def __init__(self, values: Sequence[Any]) -> None:
        self.values = values


def _packed(inputs: Sequence[Any]) -> tuple[Any, ...]:
    n = 1 + max(i for i, x in enumerate(inputs) if isinstance(x, Tensor))
    return *inputs[:n], _Options(inputs[n:])


def _unpacked(packed: Sequence[Any]) -> tuple[Any, ...]:
    *first, options = packed
    return *first, *options.values


def _is_watched(*tensors: Tensor) -> bool:
    """Whether autograd would have to remember a call; if not, going through it costs more than a small call itself."""
    recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return recorded or any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)  # type: ignore[no-untyped-call]


def takes_tapes(*tensors: Tensor) -> bool:
    """Whether gradients may be computed from a tape: of plain tensors, and not to be differentiated again."""
    return not torch.is_grad_enabled() and is_plain(*tensors)


def is_plain(*tensors: Tensor) -> bool:
    """Whether the tensors have memory of their own, that a libcpab knows, and nobody but autograd watches."""
    if (
        torch.compiler.is_compiling()
        or _C._len_torch_dispatch_stack() > 0
        or _C._functorch.peek_interpreter_stack() is not None
        or _C._get_tracing_state() is not None
    ):
        return False
    is_wrapped, is_batched = _C._functorch.is_functorch_wrapped_tensor, _C._functorch.is_legacy_batchedtensor
    for t in tensors:  # a loop without calls of ours: this is asked several times in each call
        if type(t) not in ORDINARY or not (t.is_cpu or t.is_cuda) or is_wrapped(t) or is_batched(t):
            return False
        if t.is_neg() or t._is_zerotensor():  # its numbers are others than its memory holds; operators resolve that
            return False
    return True


def is_ordinary(tensor: Tensor) -> bool:
    """Whether a tensor would be the same at any other time: no transformation, tracer or mode has a part in it."""
    return type(tensor) is Tensor and not _is_wrapper(tensor) and not tensor.is_inference()


def sees_constants(tensor: Tensor) -> bool:
    """Whether ordinary tensors may be used together with this one, rather than what some mode makes of them."""
    return type(tensor) in ORDINARY and _C._len_torch_dispatch_stack() == 0


#: Classes of tensors that are an array of numbers, and nothing else.
ORDINARY = (Tensor, nn.Parameter)


def has_values(tensor: Tensor) -> bool:
    """Whether the tensor's numbers can be read now: it is no tracer's, no transformation's, and not on ``meta``."""
    traced = torch.compiler.is_compiling() or _C._get_tracing_state() is not None
    return not traced and sees_constants(tensor) and not _is_wrapper(tensor) and not tensor.is_meta


def _is_wrapper(tensor: Tensor) -> bool:
    """Whether a tensor is of torch.func or of its older vmap: it has no memory, and may outlive its transform."""
    functorch = _C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)  # type: ignore[no-any-return]
