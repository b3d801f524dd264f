"""How torch gets to know functions that work on the memory of tensors.

Each becomes an operator, for compilers and tracers, and a ``torch.autograd.Function``. That takes part in
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
    from torch._library.custom_ops import CustomOpDef

_C: Any = torch._C


def operator(function: Callable[..., Any], *, shared: Sequence[int] = ()) -> CustomOpDef:
    """``torch.ops.cpabx.NAME`` of a function of batches; those of the inputs numbered are all of one item, or none is.

    All other tensors, and all results, have the batch as their first axis; a result that was not asked for is
    empty, with one axis.
    """
    name = f"cpabx::{function.__name__}"
    made = torch.library.custom_op(name, function, mutates_args=(), device_types="cpu")
    made.register_vmap(lambda info, in_dims, *inputs: in_one_batch(made, shared, info.batch_size, in_dims, inputs))
    _SHARED[made] = tuple(shared)
    return made


_SHARED: dict[CustomOpDef, tuple[int, ...]] = {}


def differentiable(
    function: Callable[..., Any],
    operator: CustomOpDef,
    save: Callable[..., None],
    backward: Callable[..., Any],
    *,
    tape: Callable[..., Any] | None = None,
    taped_for: Sequence[int] = (),
) -> Callable[..., Any]:
    """The function with its gradient, which are as for ``torch.library.register_autograd``.

    ``tape``, if given, is the function of two tensors and options that answers its output and a tape. It is called
    for plain tensors, of which those numbered want a gradient, and ``backward`` finds the tape behind the two in
    ``ctx.saved_tensors``; it is of use to :func:`takes_tapes`.
    """
    operator.register_autograd(backward, setup_context=save)
    shared = _SHARED[operator]

    class Differentiable(torch.autograd.Function):
        @staticmethod
        def forward(*packed: Any) -> Any:
            inputs = _unpacked(packed)
            plain = is_plain(*(x for x in inputs if isinstance(x, Tensor)))
            return (function if plain else operator)(*inputs)

        @staticmethod
        def setup_context(ctx: Any, packed: tuple[Any, ...], output: Any) -> None:
            ctx.n_packed = len(packed)
            save(ctx, _unpacked(packed), output)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return backward(ctx, *grads)[: ctx.n_packed]

        @staticmethod
        def vmap(info: Any, in_dims: tuple[Any, ...], *packed: Any) -> Any:
            return in_one_batch(call, shared, info.batch_size, in_dims, _unpacked(packed))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            raise UnsupportedError(
                "CPAB transformations and sampling have no forward-mode derivative of a gradient",
                "torch.func.jvp, jacfwd or hessian of what torch.func.grad, vjp or jacrev made",
                "Use torch.func.jacrev(torch.func.jacrev(f)), or jacrev(jacfwd(f)).",
            )

    class Taped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, first: Tensor, second: Tensor, *options: Any) -> Any:
            assert tape is not None
            output, record = tape(first, second, *options)
            ctx.options = options
            ctx.save_for_backward(first, second, record)
            return output

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return backward(ctx, grad)

    apply: Any = Differentiable.apply
    apply_taped: Any = Taped.apply

    def call(*inputs: Any) -> Any:
        if torch.compiler.is_compiling():
            return operator(*inputs)
        if _C._get_tracing_state() is not None:
            raise _frozen_sizes()
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        if (level := mapping()) is not None:
            return mapped(level, call, shared, inputs)
        if not is_plain(*tensors):
            return apply(*_packed(inputs))
        if tape is not None and torch.is_grad_enabled() and any(inputs[i].requires_grad for i in taped_for):
            return apply_taped(*inputs)
        return apply(*_packed(inputs)) if _is_watched(*tensors) else function(*inputs)

    return call


def _frozen_sizes() -> UnsupportedError:
    """A traced layer would give every image the size, and every batch the options, of the one it was traced with."""
    return UnsupportedError(
        "flows and sampling must be recorded by a tracer for which sizes may change",
        "torch.jit.trace, which writes down those of one call",
        "Use torch.export.export with dynamic_shapes, or torch.compile.",
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
    """Whether the tensors have memory of their own, here, and nobody but autograd watches."""
    return (
        not torch.compiler.is_compiling()
        and _C._len_torch_dispatch_stack() == 0
        and _C._functorch.peek_interpreter_stack() is None
        and _C._get_tracing_state() is None
        and all(type(t) in _ORDINARY and t.is_cpu and not _is_wrapper(t) and not _is_lazy(t) for t in tensors)
    )


def is_ordinary(tensor: Tensor) -> bool:
    """Whether a tensor would be the same at any other time: no transformation, tracer or mode has a part in it."""
    return type(tensor) is Tensor and not _is_wrapper(tensor) and not tensor.is_inference()


def sees_constants(tensor: Tensor) -> bool:
    """Whether ordinary tensors may be used together with this one, rather than what some mode makes of them."""
    return type(tensor) in _ORDINARY and _C._len_torch_dispatch_stack() == 0


_ORDINARY = (Tensor, nn.Parameter)


def has_values(tensor: Tensor) -> bool:
    """Whether the tensor's numbers can be read now: it is no tracer's, no transformation's, and not on ``meta``."""
    traced = torch.compiler.is_compiling() or _C._get_tracing_state() is not None
    return not traced and sees_constants(tensor) and not _is_wrapper(tensor) and not tensor.is_meta


def _is_wrapper(tensor: Tensor) -> bool:
    """Whether a tensor is of torch.func or of its older vmap: it has no memory, and may outlive its transform."""
    functorch = _C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)  # type: ignore[no-any-return]


def _is_lazy(tensor: Tensor) -> bool:
    """Whether its numbers are not what its memory holds, but their negatives, or zeros; operators get them resolved."""
    return tensor.is_neg() or tensor._is_zerotensor()
