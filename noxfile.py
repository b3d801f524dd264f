"""Everything that is run on cpabx: ``nox -l`` lists it, ``nox -s demo`` and ``nox -s tests`` come first."""

from __future__ import annotations

import os
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "c", "tests", "peers"]
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PLUGINS = {
    "numpy": [],
    "torch": ["./backends/torch"],
    "tensorflow": ["./backends/tensorflow[tensorflow-cpu]"],
    "all": ["./backends/torch", "./backends/tensorflow[tensorflow-cpu]"],
}
#: Which tests see which installation. A plugin's own tests run beside the conformance suite.
PATHS = {
    "numpy": ["tests"],
    "torch": ["tests/cross", "backends/torch/tests"],
    "tensorflow": ["tests/cross", "backends/tensorflow/tests"],
    "all": ["tests", "backends/torch/tests", "backends/tensorflow/tests", "examples/demo/tests"],
}
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
#: Many small calls: threads of the linear algebra would only wait for each other.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PYPROJECT, name))


def install(session: nox.Session, backend: str, *groups: str) -> None:
    """Core and plugins, built as wheels: what is tested is what users get."""
    requirements = [requirement for name in groups for requirement in group(name)]
    session.install("-c", "constraints.txt", ".", *PLUGINS[backend], *requirements)


@nox.session
@nox.parametrize("backend", ["numpy", "torch", "tensorflow", "all"], ids=["numpy", "torch", "tensorflow", "all"])
def tests(session: nox.Session, backend: str) -> None:
    """The test matrix: core with numpy only, with each framework, with all."""
    install(session, backend, "test", *(["demo"] if backend == "all" else []))
    wanted = "numpy,torch,tensorflow" if backend == "all" else backend
    session.run(
        "pytest", *(session.posargs or PATHS[backend]), env={**QUIET, **ONE_THREAD, "CPABX_TEST_BACKENDS": wanted}
    )


@nox.session
def peers(session: nox.Session) -> None:
    """Bases of other projects: their theta, their fields, and their results to their accuracy."""
    install(session, "numpy", "peers")
    session.run("pytest", *(session.posargs or ["tests/peers"]), env={**QUIET, **ONE_THREAD})


@nox.session
def demo(session: nox.Session) -> None:
    """Train seven networks on distorted digits; writes to demo/. ``-- --backend tensorflow`` for the other."""
    backend = "tensorflow" if "tensorflow" in " ".join(session.posargs) else "torch"
    install(session, backend, "demo")
    session.run("python", "examples/demo", *session.posargs, env=QUIET)


@nox.session(tags=["c"])
@nox.parametrize("sanitize", ["", "address,undefined"], ids=["plain", "sanitized"])
def c(session: nox.Session, sanitize: str) -> None:
    """The C tests of libcpab, plain and under AddressSanitizer and UndefinedBehaviorSanitizer."""
    session.install("cmake>=3.24,<4", "ninja")
    build = Path(session.create_tmp()).resolve() / ("sanitized" if sanitize else "plain")
    options = [f"-DCPAB_SANITIZE={sanitize}", f"-DCMAKE_BUILD_TYPE={'Debug' if sanitize else 'Release'}"]
    session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", "-DCPAB_BUILD_TESTS=ON", *options)
    session.run("cmake", "--build", str(build))
    session.run("ctest", "--test-dir", str(build), "--output-on-failure")


@nox.session
def lint(session: nox.Session) -> None:
    """Style of Python and C++."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = sorted(str(p) for p in Path("libcpab").rglob("*") if p.suffix in {".h", ".c", ".cpp"})
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the frontend and of the torch backend."""
    install(session, "torch", "types", "test")
    session.run("mypy")


@nox.session
def bench(session: nox.Session) -> None:
    """Cpabx beside PyPI's libcpab in the paper's setting."""
    install(session, "torch", "bench")
    session.run("python", "benchmarks/paper_setting.py", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Wheels and source distributions of all three packages, in dist/."""
    session.install("build")
    for project in (".", "backends/torch", "backends/tensorflow"):
        session.run("python", "-m", "build", "--outdir", os.path.abspath("dist"), project)
