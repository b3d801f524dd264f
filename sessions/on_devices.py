"""What plugins do for CUDA devices, without one."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

from sessions.cuda import build_stand_in
from sessions.install import install
from sessions.settings import COMPILE_FAST, CONFORMANCE, ONE_THREAD, QUIET


@nox.session
def cuda_torch(session: nox.Session) -> None:
    """What the torch plugin does for CUDA devices, without one: its tests, and a sample of the conformance suite."""
    library = stand_in(session)
    install(session, "torch", "test")
    env = {**ONE_THREAD, "CPABX_TEST_BACKENDS": "torch", "CPABX_TEST_CUDA_LIBRARY": str(library)}
    session.run("pytest", *(f"backends/torch/tests/test_{name}.py" for name in ("devices", "on_gpu")), env=env)
    sample_on_device(session, "torch", env)


@nox.session
def cuda_tensorflow(session: nox.Session) -> None:
    """The same of the TensorFlow plugin, whose op library TensorFlow runs on a device in the memory of the CPU."""
    library = stand_in(session)
    install(session, "tensorflow", "test")
    build = Path(session.create_tmp()).resolve()
    # The op library looks for libcpab_cuda beside libcpab.
    beside = build / "beside"
    beside.mkdir(exist_ok=True)
    (installed,) = Path(session.virtualenv.location).glob("lib/python*/site-packages/cpabx/native")
    for file in (installed / "libcpab.so", installed / "cpab.h", library):
        shutil.copy(file, beside)
    python = f"-DPython_EXECUTABLE={session.virtualenv.location}/bin/python"
    session.run("cmake", "-S", "backends/tensorflow", "-B", str(build / "double"), "-G", "Ninja", python)
    session.run("cmake", "--build", str(build / "double"), "--target", "gpu_double")
    env = {
        **QUIET,
        **ONE_THREAD,
        "CPABX_TEST_BACKENDS": "tensorflow",
        "CPABX_LIBRARY_DIR": str(beside),
        "CPABX_TEST_GPU_DOUBLE": str(build / "double" / "libgpu_double.so"),
    }
    session.run("python", "-m", "pytest", "backends/tensorflow/tests/test_devices.py", env=env)
    sample_on_device(session, "tensorflow", env)


@nox.session
def cuda_jax(session: nox.Session) -> None:
    """What compiled programs of the JAX example call on CUDA devices, without one."""
    library = stand_in(session)
    install(session, "jax", "test")
    env = {**ONE_THREAD, "XLA_FLAGS": COMPILE_FAST, "CPABX_TEST_CUDA_LIBRARY": str(library)}
    session.run("pytest", "examples/plugins/jax/tests/test_cuda.py", *session.posargs, env=env)


def sample_on_device(session: nox.Session, backend: str, env: dict[str, str]) -> None:
    """Some cases of the conformance suite, whose tensors are taken as if they lay on a device."""
    on_device = ["-p", f"backends.{backend}.tests.on_device", "--sample", "24", "-m", "not slow"]
    session.run("python", "-m", "pytest", *on_device, CONFORMANCE, env=env)


def stand_in(session: nox.Session) -> Path:
    """Its libcpab_cuda."""
    build = build_stand_in(session, "cpab_cuda_stand_in", "-DCPAB_TEST_PTX=OFF")
    (library,) = build.glob("tests/cuda/libcpab_cuda.*")
    return library
