"""What is run on a GPU, in the order of what must be known first when the time is over."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.gpu.machine import Machine
from tests.gpu.runner import Step

#: Seconds for all steps.
SECONDS = 600
#: C tests that a sanitizer of CUDA has time for, which slows them down a hundredfold: each kernel at least once,
#: small grids of several blocks, errors, and sums of several warps.
SANITIZED = ("gpu_primitives", "gpu_velocity", "gpu_bad_derivatives", "gpu_jvp")
#: Tools of compute-sanitizer, and what it asks of each.
TOOLS = {
    "memcheck": ["--report-api-errors", "no"],  # launches that are refused are a subject of the tests
    "racecheck": [],
    "initcheck": [],
    "synccheck": [],
}
#: libcpab is an oracle here, not a contestant: half of the time to compile it buys a tenth of its speed.
BUILD = [
    "-DCPAB_CUDA=ON",
    "-DCPAB_BUILD_TESTS=ON",
    "-DCPAB_TEST_CUDA=ON",
    "-DCPAB_KERNELS=baseline",
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1",
    "-DCMAKE_CUDA_FLAGS_RELWITHDEBINFO=-O3",
]
TORCH = "backends/torch/tests"


def steps(machine: Machine, root: Path, build: Path, benchmark: Path, env: dict[str, str]) -> list[Step]:
    """All of them, for what a machine has.

    Args:
        build: the folder to compile in.
        benchmark: a file for everything that the benchmark measured.
        env: variables with which Python finds the sources.
    """
    pytest = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    python = {**env, "CPABX_TEST_DEVICE": "cuda", "CPABX_TEST_BACKENDS": "torch"}
    programs = [build / "tests" / "gpu" / name for name in SANITIZED]
    no_sanitizer = "" if machine.sanitizer else "no compute-sanitizer in PATH or beside nvcc"
    no_scipy = "the conformance suite needs scipy" if machine.without("scipy") else ""
    on_device = ["-p", "backends.torch.tests.on_device", "--sample", "12", "-m", "not slow"]
    found = [
        Step("build", _build(machine, root, build), 240, env=_compiler(machine)),
        Step("c", [_ctest(machine, build)], 90, needs="build"),
        Step("info", [[sys.executable, "-m", "cpabx", "info"]], 30, needs="build", env=env),
        Step("torch", [[*pytest, f"{TORCH}/test_on_gpu.py"]], 120, needs="build", env=python),
        Step("torch_devices", [[*pytest, f"{TORCH}/test_devices.py"]], 90, needs="build", env=python),
        Step("benchmark", [_benchmark(benchmark)], 150, needs="build", env={**env, **_compiler(machine)}),
    ]
    for tool, options in TOOLS.items():
        command = [machine.sanitizer or "", "--tool", tool, *options, "--error-exitcode", "1"]
        runs = [[*command, str(program)] for program in programs]
        found.append(Step(tool, runs, 45, needs="build", without=no_sanitizer))
    suite = [*pytest, *on_device, "tests/cross/test_conformance.py"]
    found.append(Step("conformance", [suite], 90, needs="build", without=no_scipy, env=python))
    return found


def _build(machine: Machine, root: Path, build: Path) -> list[list[str]]:
    generator = "Ninja" if machine.ninja else "Unix Makefiles"
    architectures = f"-DCPAB_CUDA_ARCHITECTURES={machine.architectures}"
    cmake = machine.cmake or "cmake"
    make = [cmake, "--build", str(build), "--parallel", str(os.cpu_count() or 1), "--target"]
    return [
        [cmake, "-S", str(root / "libcpab"), "-B", str(build), "-G", generator, *BUILD, architectures],
        [*make, "cpab", "cpab_cuda", "gpu_tests"],
    ]


def _compiler(machine: Machine) -> dict[str, str]:
    """Which nvcc, and where it does not look by itself if it is of packages of Python."""
    nvcc = machine.nvcc or ""
    places = [str(Path(nvcc).resolve().parents[1] / "lib"), *filter(None, [os.environ.get("LIBRARY_PATH")])]
    return {"CUDACXX": nvcc, "LIBRARY_PATH": os.pathsep.join(places)}


def _ctest(machine: Machine, build: Path) -> list[str]:
    ctest = str(Path(machine.cmake or "cmake").with_name("ctest"))
    return [ctest, "--test-dir", str(build), "-R", "^gpu_", "--output-on-failure"]


def _benchmark(file: Path) -> list[str]:
    return [sys.executable, "-m", "benchmarks.gpu", "--json", str(file)]
