"""The tests of Python: the matrix of frameworks, and sessions for what the matrix leaves out."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nox

from sessions.install import group, install, keep_installed
from sessions.settings import COMPILE_FAST, COMPILE_QUICKLY, CONFORMANCE, ONE_THREAD, QUIET, TWO_PROCESSES

#: Which tests see which installation. A plugin's own tests run beside the conformance suite.
PATHS = {
    "numpy": ["tests", "experiments/tests"],
    "torch": [
        *("tests/cross", "experiments/tests", "backends/torch/tests", "benchmarks/tests"),
        "runtimes/onnxruntime/tests",
    ],
    "tensorflow": ["tests/cross", "experiments/tests", "backends/tensorflow/tests"],
    "third-party": [
        "backends/template/tests",
        "examples/plugins/jax/tests/test_transformations.py",  # the suite takes longer with JAX: nox -s jax
        "examples/plugins/jax/tests/test_processes.py",
        "examples/plugins/jax/tests/test_programs.py",
    ],
    # What each framework has of its own, the conformance suite above all, has run without the other.
    "all": ["tests", "experiments/tests"],
}
#: Tests against other projects, and the page that tells their users what is what here.
PEERS = ["tests/peers", "tests/cross/test_documents.py"]
#: Tests that answer at once: of the frontend, and in numpy every test of the suite with a sample of its cases.
QUICK = ["tests", "--ignore=tests/peers", "-m", "not slow", "--sample", "24", "-n", "2"]
#: What graphs of TensorFlow do in another way where the op library is not built.
WITHOUT_OP_LIBRARY = [f"backends/tensorflow/tests/test_{name}.py" for name in ("flow", "warp", "precision")]


@nox.session(reuse_venv=True)
def quick(session: nox.Session) -> None:
    """The fast tests on one kernel, from the sources: within a minute once it has run. ``-- PATHS`` for some."""
    # The library has a build folder of its own, where only what has changed is compiled.
    editable = ["--config-settings=wheel.cmake=false", "-e", ".", "-e", "./experiments"]
    keep_installed(session, *editable, "cmake>=3.24,<4", "ninja", *group("test"))
    build = session.cache_dir.resolve() / "quick"
    build.mkdir(exist_ok=True)
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    if not (build / "build.ninja").exists():
        session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", *COMPILE_QUICKLY, *launcher)
    session.run("cmake", "--build", str(build))
    shutil.copy("libcpab/include/cpab.h", build / "cpab.h")
    sources = os.pathsep.join(str(Path(folder).resolve()) for folder in ("src", "experiments/src"))
    env = {**ONE_THREAD, "PYTHONPATH": sources, "CPABX_LIBRARY_DIR": str(build), "CPABX_TEST_BACKENDS": "numpy"}
    session.run("pytest", *(session.posargs or QUICK), env=env)


@nox.session
@nox.parametrize("backend", list(PATHS), ids=list(PATHS))
def tests(session: nox.Session, backend: str) -> None:
    """The test matrix: core with numpy only, with each framework, with backends of third parties, with all."""
    install(session, backend, "test")
    wanted = {"all": "numpy,torch,tensorflow", "third-party": "template,jax"}.get(backend, backend)
    env = {**QUIET, **ONE_THREAD, "CPABX_TEST_BACKENDS": wanted}
    if session.posargs:
        session.run("pytest", *session.posargs, env=env)
        return
    if backend in ("numpy", "torch", "tensorflow"):
        session.run("pytest", *TWO_PROCESSES, CONFORMANCE, env=env)
    session.run("pytest", *TWO_PROCESSES, *PATHS[backend], f"--ignore={CONFORMANCE}", env=env)
    if backend == "tensorflow":
        session.run("pytest", *TWO_PROCESSES, *WITHOUT_OP_LIBRARY, env={**env, "CPABX_TENSORFLOW_OP": "off"})


@nox.session
def jax(session: nox.Session) -> None:
    """The example of a backend of a third party, in the conformance suite and in its own tests (about 5 minutes)."""
    install(session, "jax", "test")
    env = {**ONE_THREAD, "XLA_FLAGS": COMPILE_FAST, "CPABX_TEST_BACKENDS": "jax"}
    session.run("pytest", "examples/plugins/jax/tests", *session.posargs, env=env)


@nox.session
def onnx(session: nox.Session) -> None:
    """The operators for onnxruntime, in models that are written by hand or exported from torch (1 minute)."""
    install(session, "onnx", "test", "onnx")
    session.run("pytest", "runtimes/onnxruntime/tests", *session.posargs, env=ONE_THREAD)


@nox.session
def peers(session: nox.Session) -> None:
    """Bases of other projects: their theta, their fields, and their results to their accuracy."""
    install(session, "peers", "peers")
    session.run("pytest", *(session.posargs or PEERS), env={**QUIET, **ONE_THREAD})


@nox.session
def probability(session: nox.Session) -> None:
    """Bijectors of TensorFlow Probability, whose tests skip elsewhere."""
    install(session, "tensorflow", "test")
    # Without what they ask for: tf-keras names the TensorFlow that is not for CPUs alone.
    needed = ("tensorflow-probability>=0.25", "tf-keras>=2.18", "dm-tree", "cloudpickle", "decorator")
    session.install("--no-deps", *needed)
    tests = "backends/tensorflow/tests/test_distributions.py"
    session.run("pytest", tests, *session.posargs, env={**QUIET, **ONE_THREAD})


@nox.session
def scale(session: nox.Session) -> None:
    """Layers on two processes of this machine, by torch, and by the engines of examples/scale."""
    install(session, "torch", "scale", "test")
    paths = [f"backends/torch/tests/test_{name}.py" for name in ("distributed", "scale")]
    session.run("pytest", *paths, *session.posargs, env={**ONE_THREAD, "CPABX_TEST_BACKENDS": "torch"})
