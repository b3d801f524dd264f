"""Everything that is run on cpabx: ``nox -l`` lists it, ``nox -s demo`` and ``nox -s tests`` come first."""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "c", "tests", "peers"]
nox.options.error_on_missing_interpreters = False

PYPROJECT = nox.project.load_toml("pyproject.toml")
PLUGINS = {
    "numpy": ["./experiments"],
    "torch": ["./backends/torch", "./runtimes/onnxruntime", "./experiments"],
    "tensorflow": ["./backends/tensorflow[tensorflow-cpu]", "./experiments"],
    "third-party": ["./backends/template", "./examples/plugins/jax"],
    "jax": ["./examples/plugins/jax"],
    "onnx": ["./backends/torch", "./runtimes/onnxruntime"],
    "peers": [],
    "all": ["./backends/torch", "./backends/tensorflow[tensorflow-cpu]", "./experiments"],
}
#: What takes longest, and whose thousands of tests share nothing: on two processors at a time.
CONFORMANCE = "tests/cross/test_conformance.py"
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
#: The versions of the test matrix.
CONSTRAINTS = "constraints.txt"
#: Tests against other projects, and the page that tells their users what is what here.
PEERS = ["tests/peers", "tests/cross/test_documents.py"]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
#: Tests that answer at once: of the frontend, and in numpy every test of the suite with a sample of its cases.
QUICK = ["tests", "--ignore=tests/peers", "-m", "not slow", "--sample", "24", "-n", "2"]
#: Half of the time to compile goes into the last tenth of the speed, which these tests do not need.
COMPILE_QUICKLY = [
    "-DCPAB_KERNELS=baseline",
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1",
]
#: Many small calls: threads of the linear algebra would only wait for each other.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: Of SimpleITK and ANTs.
ITK_THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"
#: For JAX, where nothing runs twice.
COMPILE_FAST = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
#: What graphs of TensorFlow do in another way where the op library is not built.
WITHOUT_OP_LIBRARY = [f"backends/tensorflow/tests/test_{name}.py" for name in ("flow", "warp", "precision")]
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
#: What has been built in this run: by path of the project.
WHEELS: dict[str, Path] = {}


def group(name: str) -> list[str]:
    return list(nox.project.dependency_groups(PYPROJECT, name))


def wheel(session: nox.Session, project: str, *options: str) -> str:
    """The wheel of a project, which may end in an extra: built once in a run of nox, for all of its sessions."""
    path, bracket, extra = project.partition("[")
    if options or path not in WHEELS:
        out = session.cache_dir.resolve() / "wheels" / (Path(path).name or "cpabx")
        shutil.rmtree(out, ignore_errors=True)
        session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(out), *options, path)
        (WHEELS[path],) = out.glob("*.whl")
    return f"{WHEELS[path]}{bracket}{extra}"


def install(session: nox.Session, backend: str, *groups: str, constraints: str | Path | None = CONSTRAINTS) -> None:
    """Core, plugins and experiments, as wheels: what is tested is what users get."""
    requirements = [requirement for name in groups for requirement in group(name)]
    wheels = [wheel(session, project) for project in (".", *PLUGINS[backend])]
    session.install("--no-deps", "--force-reinstall", *wheels)  # also where an environment is reused
    session.install(*(["-c", str(constraints)] if constraints else []), *wheels, *requirements)


def keep_installed(session: nox.Session, *requirements: str) -> None:
    """Install into an environment that is kept, if it is new or what it holds has changed."""
    projects = [Path("pyproject.toml"), Path("experiments/pyproject.toml"), Path("constraints.txt")]
    wanted = hashlib.sha256(repr(requirements).encode() + b"".join(p.read_bytes() for p in projects)).hexdigest()
    installed = Path(session.virtualenv.location) / "installed.sha256"
    if not installed.exists() or installed.read_text() != wanted:
        session.install("-c", "constraints.txt", *requirements)
        installed.write_text(wanted)


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
        session.run("pytest", "-n", "2", "--dist", "worksteal", CONFORMANCE, env=env)
    session.run("pytest", *PATHS[backend], f"--ignore={CONFORMANCE}", env=env)
    if backend == "tensorflow":
        session.run("pytest", *WITHOUT_OP_LIBRARY, env={**env, "CPABX_TENSORFLOW_OP": "off"})


def run_versions(session: nox.Session, backend: str) -> None:
    env = {**QUIET, **ONE_THREAD, "CPABX_TEST_BACKENDS": backend}
    session.run("python", "-m", "pip", "list")  # what passed, or did not
    for chosen in [session.posargs] if session.posargs else OF_VERSIONS[backend]:
        session.run("pytest", *chosen, env=env)


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
    session.install("scikit-build-core>=1.0", "cmake>=3.24,<4", "ninja")
    wheel(session, "./backends/tensorflow", "--no-build-isolation", built_in("oldest"))


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
    session.install("scikit-build-core>=1.0", "cmake>=3.24,<4", "ninja")
    define = f"--config-settings=cmake.define.CPABX_TENSORFLOW_PYTHONS={';'.join(pythons)}"
    built = Path(wheel(session, "./backends/tensorflow", "--no-build-isolation", built_in("all"), define))
    Path("dist").mkdir(exist_ok=True)
    shutil.copy(built, "dist")


def minors_of_tensorflow() -> list[str]:
    """All of the declared range."""
    extras = nox.project.load_toml("backends/tensorflow/pyproject.toml")["project"]["optional-dependencies"]
    first, end = re.findall(r"[=<]2\.(\d+)", extras["tensorflow"][0])
    return [f"2.{minor}" for minor in range(int(first), int(end))]


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
def demo(session: nox.Session) -> None:
    """Train seven networks on distorted digits; writes to demo/. ``-- --backend tensorflow`` for the other."""
    backend = "tensorflow" if "tensorflow" in " ".join(session.posargs) else "torch"
    install(session, backend)
    # One thread: batches are so small that a second one gains nothing, and loses much if a core is shared.
    options = ["--out", f"demo/{backend}", "--threads", "1", *session.posargs]
    session.run("python", "-m", "cpabx", "experiment", "digits", *options, env=QUIET)


def build_c(
    session: nox.Session, name: str, *options: str, env: dict[str, str] | None = None, target: str = "all"
) -> Path:
    """Libcpab with its own CMake project, built in a directory of this name."""
    session.install("cmake>=3.24,<4", "ninja")
    build = Path(session.create_tmp()).resolve() / name
    session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", *options, env=env)
    session.run("cmake", "--build", str(build), "--target", target)
    return build


@nox.session(tags=["c"])
@nox.parametrize("sanitize", ["", "address,undefined"], ids=["plain", "sanitized"])
def c(session: nox.Session, sanitize: str) -> None:
    """The C tests of libcpab, plain and under AddressSanitizer and UndefinedBehaviorSanitizer."""
    options = [f"-DCPAB_SANITIZE={sanitize}", f"-DCMAKE_BUILD_TYPE={'Debug' if sanitize else 'Release'}"]
    build = build_c(session, "sanitized" if sanitize else "plain", "-DCPAB_BUILD_TESTS=ON", *options)
    session.run("ctest", "--test-dir", str(build), "--parallel", "2", "--output-on-failure")


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


def seed_faults(session: nox.Session, builds: dict[str, Path], *options: str) -> None:
    folders = [f"{kind}={build}" for kind, build in builds.items()]
    session.run("python", "libcpab/tests/cuda/faults/faults.py", "--jobs", "2", *options, *folders)


@nox.session(venv_backend="none")
def gpu(session: nox.Session) -> None:
    """Everything on the GPU of this machine, in ten minutes and without network: tests, sanitizers, speed."""
    # The Python that has a torch for this GPU is the machine's own, and so is all else.
    python = os.environ.get("CPABX_GPU_PYTHON") or "python3"
    out = str(session.cache_dir.resolve() / "gpu")
    session.run(python, "-m", "tests.gpu", "--out", out, *session.posargs, external=True)


def build_stand_in(session: nox.Session, target: str, *options: str, env: dict[str, str] | None = None) -> Path:
    """Libcpab with its tests for CUDA, whose kernels run on the CPU: built once, and kept for all sessions."""
    session.install("cmake>=3.24,<4", "ninja")
    build = session.cache_dir.resolve() / "stand_in"
    run_on_cpu = ["-DCPAB_BUILD_TESTS=ON", "-DCPAB_TEST_CUDA=ON", "-DCPAB_KERNELS=baseline"]
    session.run("cmake", "-S", "libcpab", "-B", str(build), "-G", "Ninja", *run_on_cpu, *options, env=env)
    session.run("cmake", "--build", str(build), "--target", target)
    return build


def stand_in(session: nox.Session) -> Path:
    """Its libcpab_cuda."""
    build = build_stand_in(session, "cpab_cuda_stand_in", "-DCPAB_TEST_PTX=OFF")
    (library,) = build.glob("tests/cuda/libcpab_cuda.*")
    return library


@nox.session
def cuda_torch(session: nox.Session) -> None:
    """What the torch plugin does for CUDA devices, without one: its tests, and a sample of the conformance suite."""
    library = stand_in(session)
    install(session, "torch", "test")
    env = {**ONE_THREAD, "CPABX_TEST_BACKENDS": "torch", "CPABX_TEST_CUDA_LIBRARY": str(library)}
    session.run("pytest", *(f"backends/torch/tests/test_{name}.py" for name in ("devices", "on_gpu")), env=env)
    on_device = ["-p", "backends.torch.tests.on_device", "--sample", "24", "-m", "not slow"]
    session.run("python", "-m", "pytest", *on_device, "tests/cross/test_conformance.py", env=env)


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
    on_device = ["-p", "backends.tensorflow.tests.on_device", "--sample", "24", "-m", "not slow"]
    session.run("python", "-m", "pytest", *on_device, "tests/cross/test_conformance.py", env=env)


@nox.session
def cuda_jax(session: nox.Session) -> None:
    """What compiled programs of the JAX example call on CUDA devices, without one."""
    library = stand_in(session)
    install(session, "jax", "test")
    env = {**ONE_THREAD, "XLA_FLAGS": COMPILE_FAST, "CPABX_TEST_CUDA_LIBRARY": str(library)}
    session.run("pytest", "examples/plugins/jax/tests/test_cuda.py", *session.posargs, env=env)


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


@nox.session
def arm(session: nox.Session) -> None:
    """The C tests on 64-bit Arm, whose lanes are NEON's: cross-compiled, and run in qemu."""
    if not (shutil.which("aarch64-linux-gnu-g++") and shutil.which("qemu-aarch64")):
        session.error("needs a cross-compiler and qemu. On Debian: apt install g++-aarch64-linux-gnu qemu-user")
    toolchain = Path("libcpab/cmake/aarch64.cmake").resolve()
    build = build_c(session, "arm", "-DCPAB_BUILD_TESTS=ON", f"-DCMAKE_TOOLCHAIN_FILE={toolchain}")
    session.run("ctest", "--test-dir", str(build), "--parallel", "2", "--output-on-failure")


@nox.session
def fuzz(session: nox.Session) -> None:
    """The C ABI, driven by libFuzzer under sanitizers for 10 minutes or ``-- --seconds N``. Needs Clang."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --")
    parser.add_argument("--seconds", type=int, default=600)
    seconds = parser.parse_args(session.posargs).seconds
    suffix = next((s for s in ("", *(f"-{n}" for n in range(30, 13, -1))) if shutil.which(f"clang++{s}")), None)
    if suffix is None:
        session.error("needs Clang with libFuzzer. On Debian: apt install clang libclang-rt-14-dev")
    sanitizers = "-DCPAB_SANITIZE=address,undefined,float-cast-overflow"
    options = ["-DCPAB_FUZZ=ON", "-DCMAKE_BUILD_TYPE=RelWithDebInfo", sanitizers]
    build = build_c(session, "fuzz", *options, env={"CC": f"clang{suffix}", "CXX": f"clang++{suffix}"})
    corpus, found = Path("libcpab/fuzz/corpus").resolve(), build / "found"
    found.mkdir(exist_ok=True)
    limits = [f"-max_total_time={seconds}", "-timeout=30", "-max_len=160", "-len_control=0", "-print_final_stats=1"]
    with session.chdir(build):  # where libFuzzer leaves an input that it objects to
        session.run(str(build / "fuzz" / "fuzz_abi"), *limits, str(found), str(corpus), external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style of Python and C++."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    places = [Path(p) for p in ("libcpab", "backends/tensorflow", "benchmarks", "examples/plugins/jax/cc", "runtimes")]
    files = (path for place in places for path in place.rglob("*") if "build" not in path.parts)
    sources = sorted(str(path) for path in files if path.suffix in {".h", ".c", ".cpp", ".cu"})
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Static types of the frontend and of the torch backend."""
    install(session, "torch", "types", "test")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation, in docs/_build: runs all examples (4 minutes in all); a warning is an error."""
    install(session, "all", "docs")
    options = ["--fresh-env", "--fail-on-warning", "--keep-going", *session.posargs]
    session.run("sphinx-build", *options, "docs", "docs/_build", env={**QUIET, **ONE_THREAD, "MPLBACKEND": "agg"})


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


#: Which run beside torchvision, kornia and albumentations, and elsewhere skip what needs these.
AUGMENT = [
    *("backends/torch/tests/test_augment.py", "backends/torch/tests/test_augment_torchvision.py"),
    *("backends/torch/tests/test_augment_kornia.py", "tests/test_augment_albumentations.py"),
    *("tests/cross/test_documents.py", "-k", "augment"),
]


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
def probability(session: nox.Session) -> None:
    """Bijectors of TensorFlow Probability, whose tests skip elsewhere."""
    install(session, "tensorflow", "test")
    # Without what they ask for: tf-keras names the TensorFlow that is not for CPUs alone.
    needed = ("tensorflow-probability>=0.25", "tf-keras>=2.18", "dm-tree", "cloudpickle", "decorator")
    session.install("--no-deps", *needed)
    tests = "backends/tensorflow/tests/test_distributions.py"
    session.run("pytest", tests, *session.posargs, env={**QUIET, **ONE_THREAD})


@nox.session
def wheels(session: nox.Session) -> None:
    """Wheels for five platforms, compiled by zig, and tried as far as can be. ``-- --platform TAG ...`` for some."""
    session.install(*group("release"))
    builds = session.cache_dir.resolve() / "wheels_by_zig"
    session.run("python", "-m", "release", "wheels", "--builds", str(builds), *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """All files of a release in dist/, what is wrong with them, and what a person must still do. Uploads nothing."""
    session.install(*group("release"))
    builds = session.cache_dir.resolve() / "wheels_by_zig"
    session.run("python", "-m", "release", "release", "--builds", str(builds), *session.posargs)


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


@nox.session
def scale(session: nox.Session) -> None:
    """Layers on two processes of this machine, by torch, and by the engines of examples/scale."""
    install(session, "torch", "scale", "test")
    paths = [f"backends/torch/tests/test_{name}.py" for name in ("distributed", "scale")]
    session.run("pytest", *paths, *session.posargs, env={**ONE_THREAD, "CPABX_TEST_BACKENDS": "torch"})


@nox.session
def build(session: nox.Session) -> None:
    """Wheels and source distributions of all five packages, in dist/, by the compiler of this machine."""
    session.install("build")
    for project in (".", "backends/torch", "backends/tensorflow", "runtimes/onnxruntime", "experiments"):
        session.run("python", "-m", "build", "--outdir", os.path.abspath("dist"), project)
