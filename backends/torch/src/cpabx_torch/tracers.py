"""What a layer is to the older tracers of torch: a leaf of a graph of torch.fx, and nothing that TorchScript can be."""

from __future__ import annotations

from typing import Any, NoReturn

from torch import fx, nn

from cpabx.errors import UnsupportedError


def leaf(module: nn.Module, values: fx.Proxy, **options: Any) -> Any:
    """A call of the module, as one node of the graph that is being traced; what it computes stays as it is.

    So FX quantisation leaves the localization network in floats, as theta needs it.

    Raises:
        UnsupportedError: the module is all that is traced.
    """
    tracer: Any = values.tracer
    path = tracer.path_of_module(module)
    if not path:
        raise UnsupportedError(
            "torch.fx.symbolic_trace must be called on a network that a layer is part of",
            f"a {type(module).__name__} alone",
            "Use torch.export.export(model, args), or put it into a torch.nn.Sequential.",
        )
    return tracer.create_proxy("call_module", path, (values,), options)


def refuse_script(module: nn.Module) -> NoReturn:
    """What ``__prepare_scriptable__`` does.

    Raises:
        UnsupportedError: in any case.
    """
    raise UnsupportedError(
        "torch.jit.script must be called on a model without layers of cpabx",
        f"a {type(module).__name__}, whose Python TorchScript cannot read",
        "Use torch.export.export(model, args), whose programs torch.export.save writes and"
        " torch._inductor.aoti_compile_and_package compiles.",
    )
