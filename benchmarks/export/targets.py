"""What serves a layer: how it is made from one, and called.

Makers are in :mod:`benchmarks.export.of_torch` and :mod:`benchmarks.export.of_tensorflow`, which are imported when
their turn comes.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.export.cases import Array, Case

#: From images to results.
Run = Callable[[Array], Any]


@dataclass(frozen=True)
class Target:
    """One way to serve layers.

    Attributes:
        name: of the row.
        framework: whose layer is served.
        function: of the framework's module, which takes the native layer, samples and a folder.
        packages: modules that must be installed.
    """

    name: str
    framework: str
    function: str
    packages: tuple[str, ...]

    def prepare(self, case: Case, threads: int) -> tuple[Run, Callable[[Path], Run]]:
        """The native layer, and what makes the other from it in a folder."""
        module = importlib.import_module(f"benchmarks.export.of_{self.framework}")
        layer = module.native(case, threads)
        make = getattr(module, self.function)
        return module.runs(layer), lambda folder: make(layer, case, folder, threads)


_TORCH, _TENSORFLOW = ("torch", "cpabx_torch"), ("tensorflow", "cpabx_tensorflow")
_ONNX = ("onnx", "onnxscript", "onnxruntime")
_ALL = (
    Target("export", "torch", "exported", _TORCH),
    Target("AOTInductor", "torch", "aot_inductor", _TORCH),
    Target("jit.trace", "torch", "traced", (*_TORCH, "cpabx.export")),
    Target("ONNX standard", "torch", "onnx_standard", (*_TORCH, *_ONNX, "cpabx.export")),
    Target("ONNX custom op", "torch", "onnx_custom", (*_TORCH, *_ONNX, "cpabx_onnx")),
    Target("SavedModel", "tensorflow", "saved_model", _TENSORFLOW),
    Target("XLA", "tensorflow", "xla", (*_TENSORFLOW, "cpabx_tensorflow.portable")),
    Target("TFLite", "tensorflow", "tflite", (*_TENSORFLOW, "cpabx_tensorflow.portable", "ai_edge_litert")),
)
#: By name.
TARGETS = {target.name: target for target in _ALL}
