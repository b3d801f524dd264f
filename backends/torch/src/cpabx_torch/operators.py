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

if TYPE_CHECKING:
    from torch._library.custom_ops import CustomOpDef

_C: Any = torch._C


def operator(function: Callable[..., Any]) -> CustomOpDef:
    """``torch.ops.cpabx.NAME``."""
    name = f"cpabx::{function.__name__}"
    return torch.library.custom_op(name, function, mutates_args=(), device_types="cpu")


def differentiable(
    function: Callable[..., Any], operator: CustomOpDef, save: Callable[..., None], backward: Callable[..., Any]
) -> Callable[..., Any]:
    """The function with its gradient, which are as for ``torch.library.register_autograd``."""
    operator.register_autograd(backward, setup_context=save)

    class Differentiable(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: Any) -> Any:
            plain = is_plain(*(x for x in inputs if isinstance(x, Tensor)))
            return (function if plain else operator)(*inputs)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
            save(ctx, inputs, output)

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return backward(ctx, *grads)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            raise UnsupportedError(
                "CPAB transformations and sampling have no forward-mode derivative of a gradient",
                "torch.func.jvp, jacfwd or hessian of what torch.func.grad, vjp or jacrev made",
                "Use torch.func.jacrev(torch.func.jacrev(f)), or jacrev(jacfwd(f)).",
            )

    apply: Any = Differentiable.apply

    def call(*inputs: Any) -> Any:
        if torch.compiler.is_compiling():
            return operator(*inputs)
        tensors = [x for x in inputs if isinstance(x, Tensor)]
        return (function if is_plain(*tensors) and not _is_watched(*tensors) else apply)(*inputs)

    return call


def _is_watched(*tensors: Tensor) -> bool:
    """Whether autograd would have to remember a call; if not, going through it costs more than a small call itself."""
    recorded = torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    return recorded or any(forward_ad.unpack_dual(t).tangent is not None for t in tensors)  # type: ignore[no-untyped-call]


def taped(
    call: Callable[..., Any], forward: Callable[..., Any], backward: Callable[..., Any], *, wanted_for: Sequence[int]
) -> Callable[..., Any]:
    """The call of two tensors and options, but plain ones leave a tape where those numbered want a gradient.

    ``forward`` answers the output and the tape, which ``backward`` finds behind the two in ``ctx.saved_tensors``; it
    is of use to :func:`takes_tapes`.
    """

    class Taped(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, first: Tensor, second: Tensor, *options: Any) -> Any:
            output, tape = forward(first, second, *options)
            ctx.options = options
            ctx.save_for_backward(first, second, tape)
            return output

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return backward(ctx, grad)

    apply: Any = Taped.apply

    def tape(*inputs: Any) -> Any:
        wanted = torch.is_grad_enabled() and any(inputs[i].requires_grad for i in wanted_for)
        return (apply if wanted and is_plain(*inputs[:2]) else call)(*inputs)

    return tape


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


def _is_wrapper(tensor: Tensor) -> bool:
    """Of torch.func, or of the vmap before it: one without memory of its own, which may outlive its transformation."""
    functorch = _C._functorch
    return functorch.is_functorch_wrapped_tensor(tensor) or functorch.is_legacy_batchedtensor(tensor)  # type: ignore[no-any-return]


def _is_lazy(tensor: Tensor) -> bool:
    """Whether its numbers are not what its memory holds, but their negatives, or zeros; operators get them resolved."""
    return tensor.is_neg() or tensor._is_zerotensor()
