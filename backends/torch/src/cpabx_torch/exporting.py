"""ONNX files of torch models, by torch's exporter."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from cpabx.errors import UnsupportedError
from cpabx.portable import option
from cpabx.portable.context import in_force, is_portable, way_in_force
from cpabx.portable.strides import Strides
from cpabx.tracing import constant_while_tracing

#: The first of ONNX's versions in which all that layers need is there: with GridSample for all modes.
OPSET = 20


def onnx(model: Any, args: tuple[Any, ...], path: Any, table: dict[Any, Any], **options: Any) -> Any:
    """:func:`cpabx.export.onnx`, in the way that is in force."""
    args = tuple(_two(x) for x in args)
    if "dynamic_shapes" not in options:
        batch = torch.export.Dim("batch")
        options["dynamic_shapes"] = tuple({0: batch} if isinstance(x, Tensor) and x.ndim else None for x in args)
    options = {"opset_version": OPSET, "verbose": False, **options}
    own = {**translations(), **table}
    with torch.no_grad():  # ONNX has no gradients, and a graph without them is smaller
        return torch.onnx.export(model, args, path, dynamo=True, custom_translation_table=own or None, **options)


def translations() -> dict[Any, Callable[..., Any]]:
    """For programs that were recorded by ``torch.export`` and hold operators of cpabx."""
    from cpabx_torch.translations import table

    return table()


def lost(model: Any, args: Sequence[Any], strides: Strides) -> float:
    """Which part of the results of a model is NaN in the portable form, and is not by libcpab."""
    with torch.no_grad():
        plain = _tensors(copy.deepcopy(model)(*args)) if isinstance(model, torch.nn.Module) else _tensors(model(*args))
        with in_force(strides):
            found = _tensors(model(*args))
    parts = [(b.isnan() & ~a.isnan()).double().mean().item() for a, b in zip(plain, found, strict=True) if a.numel()]
    return max(parts, default=0.0)


@constant_while_tracing
def in_plain_operations() -> bool:
    """Whether what is called now may use no operator of cpabx: in the portable form, and for exporters of ONNX."""
    return is_portable() or torch.onnx.is_in_onnx_export()


@constant_while_tracing  # some versions of torch.compile take the answer for yes
def is_exporting() -> bool:
    """Whether ``torch.export`` is recording."""
    return torch.compiler.is_exporting()


def exported(export: str | None) -> contextlib.AbstractContextManager[None]:
    """:func:`cpabx.portable.option.exported`, but for compilers, which take it no further.

    Raises:
        UnsupportedError: ``torch.compile`` calls a layer in the portable form.
    """
    if export is not None and torch.compiler.is_dynamo_compiling():
        _refuse_compile()
    return option.exported(export)


@constant_while_tracing  # a tracer cannot raise errors of ours
def _refuse_compile() -> None:
    raise UnsupportedError(
        "torch.compile takes layers as they are, for it compiles calls of libcpab",
        "a layer with export='portable'",
        "Make it without, and load its state_dict.",
    )


@constant_while_tracing
def check_form() -> None:
    """That CPAB may be recorded here: by an exporter of ONNX, only in a form that was chosen.

    Raises:
        UnsupportedError: it was not.
    """
    if torch.onnx.is_in_onnx_export() and way_in_force() is None:
        raise UnsupportedError(
            "ONNX has no operator for a CPAB transformation, so its form must be chosen",
            "torch.onnx.export of a model with CPAB",
            "Use cpabx.export.onnx(model, args, path), or call it in: with cpabx.export.portable(strides).",
        )


def _two(x: Any) -> Any:
    """A batch of one twice: torch takes a size of 1 to be fixed."""
    return torch.cat([x, x]) if isinstance(x, Tensor) and x.ndim and x.shape[0] == 1 else x


def _tensors(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    return [x for part in result for x in _tensors(part)] if isinstance(result, (list, tuple)) else []
