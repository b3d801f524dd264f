"""What a machine has for a run on its GPU, and what it lacks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Without these nothing starts. torch is asked whether it sees a device, too.
PACKAGES = ("numpy", "cffi", "pluggy", "pytest", "torch")
#: What some steps need; without it they are left out.
EXTRAS = ("scipy",)
#: Where toolkits lie that are not in the path.
TOOLKITS = ("CUDA_HOME", "CUDA_PATH")
USUAL_TOOLKIT = Path("/usr/local/cuda")

QUERY = ("name", "driver_version", "compute_cap", "clocks.max.sm", "memory.total")

PROBE = """
import importlib.util, json, sys
found = {name: importlib.util.find_spec(name) is not None for name in sys.argv[1:]}
torch = {}
if found["torch"]:
    try:
        import torch
        devices = range(torch.cuda.device_count())
        torch = {
            "version": torch.__version__,
            "cuda": torch.version.cuda,
            "devices": [torch.cuda.get_device_name(i) for i in devices],
            "capabilities": [torch.cuda.get_device_capability(i) for i in devices],
        }
    except Exception as error:
        torch = {"problem": f"{type(error).__name__}: {error}"}
print(json.dumps({"found": found, "torch": torch}))
"""

Ask = Callable[[list[str]], str]


def answer(command: list[str]) -> str:
    """What a program prints; nothing if it cannot be run or fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


@dataclass
class Machine:
    """Paths of tools, which are None where there are none, and what they say.

    Attributes:
        devices: rows of nvidia-smi, by QUERY.
        packages: of Python, and whether they are there.
        torch: its version and devices, or its problem.
    """

    nvcc: str | None = None
    cmake: str | None = None
    ninja: str | None = None
    make: str | None = None
    compiler: str | None = None
    sanitizer: str | None = None
    devices: list[dict[str, str]] = field(default_factory=list)
    packages: dict[str, bool] = field(default_factory=dict)
    torch: dict[str, Any] = field(default_factory=dict)
    toolkit: str = ""

    @property
    def architectures(self) -> str:
        """Of the devices that torch sees, as CMake writes those that get no PTX."""
        return ";".join(sorted({f"{major}{minor}-real" for major, minor in self.torch["capabilities"]}))

    def missing(self) -> list[str]:
        """All that is needed and not here, one by one."""
        lacks = []
        if not self.devices:
            lacks.append("a CUDA GPU and its driver (nvidia-smi names none)")
        if self.nvcc is None:
            lacks.append(f"nvcc (not in PATH, CUDACXX, {', '.join(TOOLKITS)} or {USUAL_TOOLKIT})")
        if self.compiler is None:
            lacks.append("a C++ compiler (CXX, c++ or g++)")
        if self.cmake is None:
            lacks.append("cmake")
        if self.ninja is None and self.make is None:
            lacks.append("ninja or make")
        lacks += [f"Python package {name} (in {sys.executable})" for name in PACKAGES if not self.packages.get(name)]
        if self.packages.get("torch") and not self.torch.get("devices"):
            what = self.torch.get("problem") or f"torch {self.torch.get('version')} with CUDA {self.torch.get('cuda')}"
            lacks.append(f"a torch that sees a CUDA device (found {what})")
        return lacks

    def without(self, extra: str) -> bool:
        return not self.packages.get(extra)


def find(variables: Mapping[str, str] = os.environ, ask: Ask = answer) -> Machine:
    """Looks at everything at once."""
    nvcc = _nvcc(variables)
    rows = ask(["nvidia-smi", f"--query-gpu={','.join(QUERY)}", "--format=csv,noheader"]).splitlines()
    told = ask([sys.executable, "-c", PROBE, *PACKAGES, *EXTRAS])
    probe = json.loads(told) if told else {"found": {}, "torch": {}}
    return Machine(
        nvcc=nvcc,
        cmake=shutil.which("cmake"),
        ninja=shutil.which("ninja"),
        make=shutil.which("make"),
        compiler=next(filter(None, map(shutil.which, (variables.get("CXX") or "c++", "g++"))), None),
        sanitizer=_beside(nvcc, "compute-sanitizer"),
        devices=[dict(zip(QUERY, map(str.strip, row.split(",")), strict=False)) for row in rows if row.count(",") == 4],
        packages=probe["found"],
        torch=probe["torch"],
        toolkit=(ask([nvcc, "--version"]).strip().splitlines() or [""])[-1] if nvcc else "",
    )


def _nvcc(variables: Mapping[str, str]) -> str | None:
    toolkits = [Path(variables[name]) for name in TOOLKITS if variables.get(name)]
    places = [variables.get("CUDACXX") or "nvcc", *(str(folder / "bin" / "nvcc") for folder in toolkits)]
    return next(filter(None, map(shutil.which, (*places, str(USUAL_TOOLKIT / "bin" / "nvcc")))), None)


def _beside(nvcc: str | None, name: str) -> str | None:
    """A tool of the toolkit: in the path, or where nvcc is."""
    near = [str(Path(nvcc).resolve().parent / name)] if nvcc else []
    return next(filter(None, map(shutil.which, (name, *near))), None)
