"""What measures: experiments, speed, accuracy, and results beside those of other packages."""

from __future__ import annotations

import nox

from sessions.install import group, install, wheel
from sessions.settings import ONE_THREAD, PLUGINS, QUIET

#: Of SimpleITK and ANTs.
ITK_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
#: Which run beside torchvision, kornia and albumentations, and elsewhere skip what needs these.
AUGMENT = [
    *("backends/torch/tests/test_augment.py", "backends/torch/tests/test_augment_torchvision.py"),
    *("backends/torch/tests/test_augment_kornia.py", "tests/test_augment_albumentations.py"),
    *("tests/cross/test_documents.py", "-k", "augment"),
]


@nox.session
def demo(session: nox.Session) -> None:
    """Train seven networks on distorted digits; writes to demo/. ``-- --backend tensorflow`` for the other."""
    backend = "tensorflow" if "tensorflow" in " ".join(session.posargs) else "torch"
    install(session, backend)
    # One thread: batches are so small that a second one gains nothing, and loses much if a core is shared.
    options = ["--out", f"demo/{backend}", "--threads", "1", *session.posargs]
    session.run("python", "-m", "cpabx", "experiment", "digits", *options, env=QUIET)


@nox.session
def bench(session: nox.Session) -> None:
    """Speed, errors and memory beside libcpab, difw, kornia and torch. ``-- --json FILE`` keeps every figure."""
    install(session, "torch", "bench")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session(name="bench-align")
def bench_align(session: nox.Session) -> None:
    """Fits to landmarks, images and series beside other packages. ``-- --lfw FOLDER --ucr FOLDER --out FOLDER``."""
    install(session, "torch", "bench", "test")
    for rival in ("SimpleITK>=2.4", "antspyx>=0.6", "scikit-image>=0.25", "tslearn>=0.7"):
        # One that does not install is a row that says so.
        session.run("python", "-m", "pip", "install", rival, success_codes=[0, 1])
    session.run("python", "-m", "benchmarks.align", *session.posargs, env=ONE_THREAD | {ITK_THREADS: "1"})


@nox.session
def augment(session: nox.Session) -> None:
    """Augmentations in pipelines of torchvision, kornia and albumentations, and images a second beside theirs."""
    # Not what the test matrix has: a torchvision that fits the torch there is not to be had on every index.
    session.install("torch", "torchvision", *group("augment"), *group("test"))
    wheels = [wheel(session, project) for project in (".", *PLUGINS["torch"])]
    session.install(*wheels)
    session.run("pytest", *AUGMENT, env={**ONE_THREAD, "CPABX_TEST_BACKENDS": "torch"})
    session.run("python", "-m", "benchmarks.augment", *session.posargs, env=ONE_THREAD)


@nox.session
def export(session: nox.Session) -> None:
    """Layers in every form that they can be served in, with errors and times: ``-- --targets XLA`` for some."""
    install(session, "all", "onnx", "test")
    for package in ("./runtimes/onnxruntime", "ai-edge-litert>=1.2", "torchao>=0.15"):
        # One that is not there, or does not install, is a row that says so, or a test that is left out.
        session.run("python", "-m", "pip", "install", package, success_codes=[0, 1])
    env = {**QUIET, **ONE_THREAD, "CPABX_TEST_BACKENDS": "torch,tensorflow"}
    tests = ["tests/cross/test_documents.py", "backends/torch/tests/test_tracers.py", "-k", "deployment or tracers"]
    session.run("pytest", *tests, env=env)
    session.run("python", "-m", "benchmarks.export", *session.posargs, env=env)
