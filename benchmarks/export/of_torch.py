"""Layers of torch, in what serves them."""

from __future__ import annotations

import functools
import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.export.cases import SCALE, TIMED, Array, Case
from benchmarks.export.targets import Run
from cpabx_torch.localization import ThetaLinear

#: How many samples say how far theta go, for the portable form.
SAMPLES = 128


def native(case: Case, threads: int) -> nn.Module:
    """The layer, whose theta depend on the images."""
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    layer: nn.Module = case.made("torch")
    for module in layer.modules():
        if isinstance(module, ThetaLinear):
            nn.init.normal_(module.weight, std=SCALE)
    if case.layer == "CPABActivation":
        nn.init.normal_(layer.theta, std=SCALE)  # type: ignore[arg-type]
    return layer.eval()


def runs(model: Any) -> Run:
    """Arrays in and out."""

    def run(images: Array) -> Any:
        with torch.no_grad():
            return model(torch.from_numpy(images)).numpy()

    return run


def exported(layer: nn.Module, case: Case, folder: Path, threads: int) -> Run:
    """By ``torch.export``, written and read."""
    torch.export.save(_program(layer, case), folder / "layer.pt2")
    return runs(torch.export.load(folder / "layer.pt2").module())


def aot_inductor(layer: nn.Module, case: Case, folder: Path, threads: int) -> Run:
    """Compiled ahead of time, as C++ that calls the operators of cpabx."""
    inductor: Any = torch._inductor
    with torch.no_grad():
        package = inductor.aoti_compile_and_package(_program(layer, case), package_path=str(folder / "layer.pt2"))
    return runs(inductor.aoti_load_package(package))


def traced(layer: nn.Module, case: Case, folder: Path, threads: int) -> Run:
    """By ``torch.jit.trace``, in the portable form."""
    export: Any = importlib.import_module("cpabx.export")
    with torch.no_grad(), export.portable(export.strides_for(layer, _images(case, SAMPLES))):
        program: Any = torch.jit.trace(layer, _images(case, TIMED), check_trace=False)  # type: ignore[no-untyped-call]
    program.save(str(folder / "layer.pt"))
    return runs(torch.jit.load(str(folder / "layer.pt")))  # type: ignore[no-untyped-call]


def onnx_standard(layer: nn.Module, case: Case, folder: Path, threads: int) -> Run:
    """Standard operators alone, in onnxruntime."""
    export: Any = importlib.import_module("cpabx.export")
    export.onnx(layer, (_images(case, SAMPLES),), folder / "layer.onnx", backend="torch")
    return _session(folder / "layer.onnx", threads)


def onnx_custom(layer: nn.Module, case: Case, folder: Path, threads: int) -> Run:
    """Operators of cpabx-onnx, in onnxruntime."""
    operators: Any = importlib.import_module("cpabx_onnx")
    shapes = ({0: torch.export.Dim("n")},)
    table = operators.translation_table()
    given: Any = {"dynamo": True, "dynamic_shapes": shapes, "custom_translation_table": table, "verbose": False}
    with _native_form():
        torch.onnx.export(layer, (_images(case, TIMED),), folder / "layer.onnx", **given)
    return _session(folder / "layer.onnx", threads, operators.register)


def _native_form() -> Any:
    """Where exporters ask for a form of CPAB: calls of operators."""
    context: Any = importlib.import_module("cpabx.portable.context")
    return context.in_force("native")


def _program(layer: nn.Module, case: Case) -> torch.export.ExportedProgram:
    return torch.export.export(layer, (_images(case, TIMED),), dynamic_shapes=({0: torch.export.Dim("n")},))


def _images(case: Case, n: int) -> Tensor:
    return torch.from_numpy(case.images(n, channels_last=False))


def _session(path: Path, threads: int, register: Any = None) -> Run:
    runtime: Any = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    if register is not None:
        register(options)
    session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return functools.partial(_first, session, given.name)


def _first(session: Any, name: str, images: Array) -> Any:
    return np.asarray(session.run(None, {name: images})[0])
