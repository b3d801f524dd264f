"""What sessions have in common."""

from __future__ import annotations

import nox

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
#: The versions of the test matrix.
CONSTRAINTS = "constraints.txt"
#: What takes longest.
CONFORMANCE = "tests/cross/test_conformance.py"
#: Tests share nothing, so that two processors take them at a time.
TWO_PROCESSES = ["-n", "2", "--dist", "worksteal"]
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "0"}
#: Many small calls: threads of the linear algebra would only wait for each other.
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
#: For JAX, where nothing runs twice.
COMPILE_FAST = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
#: Half of the time to compile goes into the last tenth of the speed, which these tests do not need.
COMPILE_QUICKLY = [
    "-DCPAB_KERNELS=baseline",
    "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
    "-DCMAKE_CXX_FLAGS_RELWITHDEBINFO=-O1",
]
