"""Models for programs that know nothing of cpabx: ONNX, and the portable form that other formats take as well.

All families but CPAB are made of operations that such programs have. CPAB has two forms there: the *portable* one, the
exact flow with a number of strides that is fixed when the file is made; and calls of operators ``cpabx::transform`` and
others, for programs that load a library with these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cpabx import registry
from cpabx.errors import OptionError, UnsupportedError, shown
from cpabx.export.operators import installed_translations
from cpabx.options import one_of
from cpabx.portable.context import in_force, portable
from cpabx.portable.counting import Counter
from cpabx.portable.strides import Strides

__all__ = ["Strides", "onnx", "portable", "strides_for", "translations"]

#: How a file has CPAB transformations.
FORMS = ("portable", "native")


def strides_for(function: Callable[..., Any], *arguments: Any) -> Strides:
    """How many strides the portable form of a model must take: what these arguments take, and a third more.

    The model runs once, by libcpab, and each of its flows is compared with the portable one.

    Args:
        function: a model, in eager mode and on the CPU.
        arguments: samples such as it will see, whose theta are as large as any. More is better.

    Returns:
        What :func:`portable` takes; one stride if the model has no CPAB.

    Raises:
        UnsupportedError: 64 strides are not enough, or they end elsewhere.
    """
    counter = Counter()
    with in_force(counter):
        function(*arguments)
    return Strides(1) if counter.strides is None else counter.strides.with_margin()


def onnx(
    model: Any,
    args: Sequence[Any],
    path: Any = None,
    *,
    cpab: str = "portable",
    strides: Strides | int | None = None,
    custom_translations: Mapping[Any, Any] | None = None,
    backend: str | None = None,
    **options: Any,
) -> Any:
    """Writes a model as an ONNX file, layers of cpabx and all others.

    Args:
        model: of the backend: for torch, a module or an ExportedProgram's module.
        args: samples of its arguments, a tuple. Their theta decide about the strides, so let them be typical and many.
        path: of the file; without it, the program is only returned.
        cpab: ``"portable"``: standard operators alone, which any runtime has. ``"native"``: CPAB transformations and
            warps stay operators of the domain ``cpabx``, for a runtime with a library that has them.
        strides: of the portable form; by default those of :func:`strides_for` the arguments.
        custom_translations: how operators of the framework become ONNX, before those of cpabx: for torch, as
            ``custom_translation_table`` of ``torch.onnx.export``. A library of operators brings its own for
            ``cpab="native"``.
        backend: the one whose model this is; by default, that of the arguments.
        options: of the framework's exporter. In torch, the first axis of all tensors is of any size unless
            ``dynamic_shapes`` says otherwise; a dynamic picture needs a layer with ``output_size``.

    Returns:
        What the framework's exporter returns: in torch, a ``torch.onnx.ONNXProgram``.

    Raises:
        UnsupportedError: a backend that writes no ONNX, or a model whose flows end elsewhere in the portable form.
        OptionError: an unknown form, samples that are no tuple, or a path in a folder that does not exist.
        MissingPackageError: ``cpab="native"``, and no package with operators.
    """
    one_of("cpab", cpab, FORMS)
    if not isinstance(args, (tuple, list)):
        raise OptionError("args must be a tuple of the model's arguments", shown(type(args)), "For instance (images,).")
    if isinstance(path, (str, os.PathLike)) and not os.path.isdir(os.path.dirname(os.path.abspath(path))):
        raise OptionError("path must be in a folder that exists", shown(path), "Make the folder first.")
    tensors = {f"args[{i}]": x for i, x in enumerate(args) if registry.owner(x) is not None}
    chosen = registry.backend_for(backend, **tensors) if tensors else registry.get_backend(backend)
    module = chosen.exports()
    if cpab == "native":
        way: Any = "native"
        if custom_translations is None:
            custom_translations = installed_translations(chosen.name)
    else:
        way = strides_for(model, *args) if strides is None else strides
        if isinstance(way, int):
            way = Strides(way)
        _check(module, model, args, way)
    with in_force(way):
        return module.onnx(model, tuple(args), path, dict(custom_translations or {}), **options)


def translations(backend: str | None = None) -> dict[Any, Any]:
    """How operators of cpabx become ONNX, for exporters that are called directly: see ``custom_translations``.

    Of use for programs that were recorded before; ``torch.onnx.export`` of a model itself needs no table.

    Raises:
        UnsupportedError: a backend that writes no ONNX.
    """
    table: dict[Any, Any] = registry.get_backend(backend).exports().translations()
    return table


def _check(module: Any, model: Any, args: Sequence[Any], strides: Strides) -> None:
    """That the portable form gives the same results for the samples."""
    lost = module.lost(model, args, strides)
    if lost:
        raise UnsupportedError(
            "the portable form must take enough strides for the samples",
            f"{strides} and {lost:.2%} of results that are lost",
            "Leave out strides=, or pass more: cpabx.export.strides_for(model, *args).",
        )
