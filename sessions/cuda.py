"""Tests of libcpab_cuda, with a GPU and without."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

from sessions.install import group
from sessions.native import build_c
from sessions.settings import COMPILE_QUICKLY

#: Parts of the kernels that show most for their time: what is in 2D, sums in fixed point, and walks in 3D.
SOME_PTX_PARTS = "_2$|fixed|flow_part_float_3"


@nox.session
def cuda(session: nox.Session) -> None:
    """libcpab_cuda without a GPU: its kernels run on the CPU, also under sanitizers, and nvcc compiles them."""
    run_on_cpu = ["-DCPAB_BUILD_TESTS=ON", "-DCPAB_TEST_CUDA=ON"]
    build = build_stand_in(session, "cuda_tests", "-DCPAB_TEST_PTX=OFF")
    session.run("ctest", "--test-dir", str(build), "-R", "^cuda_", "--parallel", "2", "--output-on-failure")
    builds = {"plain": build}
    for sanitize in ("address,undefined", "thread"):
        label = sanitize.partition(",")[0]
        options = [f"-DCPAB_SANITIZE={sanitize}", *COMPILE_QUICKLY]
        build = build_c(session, f"cuda_{label}", *run_on_cpu, *options, target=f"cuda_tests_{label}")
        session.run("ctest", "--test-dir", str(build), "-L", f"^{label}$", "--parallel", "2", "--output-on-failure")
        builds[label] = build
    seed_faults(session, builds, "--ci")
    run_ptx(session, "90", SOME_PTX_PARTS, "-LE", "long")
    compile_for_gpus(session, "75-real;90-real")


@nox.session
def ptx(session: nox.Session) -> None:
    """What nvcc makes of every kernel, translated and run on the CPU, for two architectures or ``-- 90``."""
    for architecture in session.posargs or ("75", "120"):  # nvcc 13 has another optimizer from 100 on
        run_ptx(session, architecture, ".")


@nox.session
def faults(session: nox.Session) -> None:
    """Faults that the tests of libcpab_cuda must find, seeded one by one. ``-- --only NAME`` for one."""
    run_on_cpu = ["-DCPAB_BUILD_TESTS=ON", "-DCPAB_TEST_CUDA=ON", *COMPILE_QUICKLY]
    builds = {}
    for kind, sanitize in {"plain": "", "address": "address,undefined", "thread": "thread"}.items():
        options = [*run_on_cpu, f"-DCPAB_SANITIZE={sanitize}"]
        builds[kind] = build_c(session, f"faults_{kind}", *options, target="cuda_watched")
    seed_faults(session, builds, *session.posargs)


@nox.session(venv_backend="none")
def gpu(session: nox.Session) -> None:
    """Everything on the GPU of this machine, in ten minutes and without network: tests, sanitizers, speed."""
    # The Python that has a torch for this GPU is the machine's own, and so is all else.
    python = os.environ.get("CPABX_GPU_PYTHON") or "python3"
    out = str(session.cache_dir.resolve() / "gpu")
    session.run(python, "-m", "tests.gpu", "--out", out, *session.posargs, external=True)


def seed_faults(session: nox.Session, builds: dict[str, Path], *options: str) -> None:
    folders = [f"{kind}={build}" for kind, build in builds.items()]
    session.run("python", "libcpab/tests/cuda/faults/faults.py", "--jobs", "2", *options, *folders)


def build_stand_in(session: nox.Session, target: str, *options: str, env: dict[str, str] | None = None) -> Path:
    """Libcpab with its tests for CUDA, whose kernels run on the CPU: built once, and kept for all sessions."""
    session.install("cmake>=3.24,<4", "ninja")
    build = session.cache_dir.resolve() / "stand_in"
    run_on_cpu = ["-DCPAB_BUILD_TESTS=ON", "-DCPAB_TEST_CUDA=ON", "-DCPAB_KERNELS=baseline"]
    session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", *run_on_cpu, *options, env=env)
    session.run("cmake", "--build", str(build), "--target", target)
    return build


def install_nvcc(session: nox.Session) -> Path:
    """Nvcc of the package index."""
    session.install(*group("nvcc"))
    (nvcc,) = Path(session.virtualenv.location).glob("lib/python*/site-packages/nvidia/cu13/bin/nvcc")
    return nvcc


def run_ptx(session: nox.Session, architecture: str, parts: str, *chosen: str) -> None:
    """Runs the PTX of the parts of libcpab_cuda that a pattern names; the other kernels are the C++ compiler's."""
    options = ["-DCPAB_TEST_PTX=ON", f"-DCPAB_PTX_ARCHITECTURE={architecture}", f"-DCPAB_PTX_PARTS={parts}"]
    build = build_stand_in(session, "ptx_tests", *options, env={"CUDACXX": str(install_nvcc(session))})
    session.run("ctest", "--test-dir", str(build), "-R", "^ptx_", *chosen, "--parallel", "2", "--output-on-failure")


def compile_for_gpus(session: nox.Session, architectures: str) -> None:
    """Compiles by nvcc of the package index what a GPU runs, and compares what the library takes of it with a table."""
    nvcc = install_nvcc(session)
    options = ["-DCPAB_CUDA=ON", f"-DCPAB_CUDA_ARCHITECTURES={architectures}", "-DCPAB_KERNELS=baseline"]
    folder = Path(session.create_tmp()).resolve() / "nvcc"
    shutil.rmtree(folder, ignore_errors=True)  # ptxas tells of what it compiles
    options.append("-DCMAKE_CUDA_FLAGS=-Xptxas=-v")
    env = {"CUDACXX": str(nvcc), "LIBRARY_PATH": str(nvcc.parents[1] / "lib")}  # where this nvcc does not look
    session.run("cmake", "-S", "libcpab", "-B", str(folder), "-G", "Ninja", *options, env=env)
    output = session.run("cmake", "--build", str(folder), "--target", "cpab_cuda", silent=True, env=env)
    told = folder / "ptxas.txt"
    told.write_text(str(output))
    table = ["docs/cuda-resources.md", "13.0", *session.posargs]
    session.run("python", "libcpab/tests/cuda/resources.py", str(told), *table)
    on_gpu = ["-DCPAB_BUILD_TESTS=ON", "-DCPAB_TEST_CUDA=ON"]  # what nox -s gpu needs, which nothing here can run
    session.run("cmake", "-S", "libcpab", "-B", str(folder), *on_gpu, env=env)
    session.run("cmake", "--build", str(folder), "--target", "gpu_tests", env=env)
    strict = ["-Werror=all-warnings", "-O3", "-arch=sm_90", "-cubin", "-o", str(folder / "peers.cubin")]
    session.run(str(nvcc), *strict, "benchmarks/gpu/peers.cu", external=True)
    exports = ["-DNM=nm", "-DNM_FLAGS=-D --defined-only", f"-DLIBRARY={folder / 'libcpab_cuda.so'}"]
    header = f"-DHEADER={Path('libcpab/include/cpab.h').resolve()}"
    session.run(
        "cmake", *exports, header, "-P", "libcpab/tests/check_symbols.cmake"
    )  # what the header has, and no more
