"""Tests with other versions than those of the test matrix."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nox

from sessions.install import WHEELS, install, wheel
from sessions.settings import COMPILE_QUICKLY, CONFORMANCE, ONE_THREAD, QUIET

#: Of the conformance suite where what varies are versions: every test, and few of its cases.
SOME = ["--sample", "48"]
#: What is run with other versions than those of the test matrix, per backend.
OF_VERSIONS = {
    "numpy": [["tests", "--ignore=tests/peers", "-m", "not slow", *SOME]],
    "torch": [
        ["backends/torch/tests", "-m", "not slow"],
        [f"backends/torch/tests/test_{name}.py" for name in ("compile", "export", "vmap")],
        [CONFORMANCE, "-m", "not slow", *SOME],
    ],
    "tensorflow": [
        ["backends/tensorflow/tests", "-m", "not slow"],
        [f"backends/tensorflow/tests/test_{name}.py" for name in ("op_library", "saved_model")],
        [CONFORMANCE, "-m", "not slow", *SOME],
    ],
}
#: Of a build that pip does not isolate.
BUILD_TOOLS = ["scikit-build-core>=1.0", "hatch-fancy-pypi-readme>=24", "cmake>=3.24,<4", "ninja"]


@nox.session
@nox.parametrize("backend", list(OF_VERSIONS), ids=list(OF_VERSIONS))
def oldest(session: nox.Session, backend: str) -> None:
    """Some tests with the lowest version of every declared range, which is what Python 3.11 has."""
    session.install("packaging")
    lows = session.run("python", "tests/declared_versions.py", silent=True)
    constraints = Path(session.create_tmp()).resolve() / "lowest.txt"
    constraints.write_text(str(lows))
    build_quickly(session)
    if backend == "tensorflow":
        build_for_installed(session, constraints)
    install(session, backend, "test", constraints=constraints)
    for project in (".", "./backends/tensorflow"):  # for other sessions a fast one, and for another TensorFlow
        WHEELS.pop(project, None)
    run_versions(session, backend)


@nox.session
@nox.parametrize("backend", list(OF_VERSIONS), ids=list(OF_VERSIONS))
def newest(session: nox.Session, backend: str) -> None:
    """The same with the highest version of each; ``nox --force-python 3.14 -s newest`` with another Python."""
    build_quickly(session)
    install(session, backend, "test", constraints=None)
    WHEELS.pop(".")  # for other sessions a fast one
    run_versions(session, backend)


@nox.session
def op_libraries(session: nox.Session) -> None:
    """The wheel of cpabx-tensorflow with an op library for each minor version, or ``-- 2.16 2.21``, in dist/."""
    pythons = []
    for minor in session.posargs or minors_of_tensorflow():
        folder = session.cache_dir.resolve() / "tensorflow" / minor
        pythons.append(str(folder / "bin/python"))
        if not folder.exists():
            session.run("python", "-m", "venv", str(folder))
            session.run(pythons[-1], "-m", "pip", "install", "--quiet", f"tensorflow-cpu=={minor}.*", external=True)
    # The Python that builds needs no TensorFlow: the others have it.
    session.install(*BUILD_TOOLS)
    define = f"--config-settings=cmake.define.CPABX_TENSORFLOW_PYTHONS={';'.join(pythons)}"
    built = Path(wheel(session, "./backends/tensorflow", "--no-build-isolation", built_in("all"), define))
    Path("dist").mkdir(exist_ok=True)
    shutil.copy(built, "dist")


def run_versions(session: nox.Session, backend: str) -> None:
    env = {**QUIET, **ONE_THREAD, "CPABX_TEST_BACKENDS": backend}
    session.run("python", "-m", "pip", "list")  # what passed, or did not
    for chosen in [session.posargs] if session.posargs else OF_VERSIONS[backend]:
        session.run("pytest", *chosen, env=env)


def build_quickly(session: nox.Session) -> None:
    """The wheel of cpabx, whose kernels are not what varies with versions."""
    defines = [option.removeprefix("-D") for option in COMPILE_QUICKLY if "BUILD_TYPE" not in option]
    options = [f"--config-settings=cmake.define.{define}" for define in defines]
    wheel(session, ".", *options, "--config-settings=cmake.build-type=RelWithDebInfo", built_in("quickly"))


def built_in(name: str) -> str:
    """A folder of its own, for a build that others must not go on with."""
    return f"--config-settings=build-dir=build/{name}"


def build_for_installed(session: nox.Session, constraints: Path) -> None:
    """The wheel of cpabx-tensorflow, whose op library is for the TensorFlow of the session."""
    session.install("-c", str(constraints), "tensorflow-cpu", "keras", "numpy")
    session.install(*BUILD_TOOLS)
    wheel(session, "./backends/tensorflow", "--no-build-isolation", built_in("oldest"))


def minors_of_tensorflow() -> list[str]:
    """All of the declared range."""
    extras = nox.project.load_toml("backends/tensorflow/pyproject.toml")["project"]["optional-dependencies"]
    first, end = re.findall(r"[=<]2\.(\d+)", extras["tensorflow"][0])
    return [f"2.{minor}" for minor in range(int(first), int(end))]
