"""Operators of cpabx for onnxruntime: the library that has them, nodes that call them, and translations of torch's.

Importing this imports neither onnxruntime nor a framework.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cpabx_onnx.library import library_path, register

if TYPE_CHECKING:
    from cpabx_onnx.nodes import node as node

__all__ = ["DOMAIN", "VERSION", "library_path", "node", "register", "translation_table"]

#: The operators' domain and its version, which a model imports.
DOMAIN, VERSION = "cpabx", 1


def translation_table() -> dict[Any, Any]:
    """Translations for ``torch.onnx.export(model, args, dynamo=True, custom_translation_table=translation_table())``.

    With it ``cpabx::transform``, ``cpabx::velocity``, ``cpabx::jacobian``, ``cpabx::sample`` and ``cpabx::warp`` become
    operators of this package. Needs torch, cpabx-torch and onnxscript.
    """
    from cpabx_onnx import translations

    return translations.table()


def __getattr__(name: str) -> Any:
    if name == "node":
        from cpabx_onnx.nodes import node

        return node
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
