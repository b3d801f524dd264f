"""What serves a model is a process that need not have cpabx."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import cpabx_onnx
from cpabx import native

from .conftest import Case, model_of

pytestmark = pytest.mark.slow

SERVE = """
    import sys
    import numpy as np, onnxruntime
    library, folder = sys.argv[1:]
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(library)
    session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options)
    saved = np.load(f"{folder}/saved.npz")
    (found,) = session.run(None, {name: saved[name] for name in ("images", "velocity")})
    np.testing.assert_array_equal(found, saved["out"])
    assert not any(module.startswith("cpabx") for module in sys.modules)
    print(*{line.split()[-1] for line in open("/proc/self/maps") if "libcpab.so" in line})
"""


def run(code, *arguments, **environment):
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CPABX")}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_served_from_a_folder_of_two_files(tmp_path):
    """The library of operators finds libcpab beside itself."""
    case = Case("CpabWarp", 2)
    inputs = case.inputs(7, "float32")
    model = model_of([case.node()], list(inputs), ["out"], "float32")
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    np.savez(tmp_path / "saved.npz", **inputs, out=case.native(inputs)[0])
    library = shutil.copy(cpabx_onnx.library_path(), tmp_path)
    shutil.copy(native.load().path, tmp_path / "libcpab.so")
    served = run(SERVE, library, tmp_path)
    assert served.returncode == 0, served.stderr
    assert served.stdout.split() == [str(tmp_path / "libcpab.so")]


def test_without_libcpab(tmp_path):
    """It is missed when the library is registered, with a sentence that says what to do."""
    library = shutil.copy(cpabx_onnx.library_path(), tmp_path)
    code = "import sys, onnxruntime; onnxruntime.SessionOptions().register_custom_ops_library(sys.argv[1])"
    served = run(code, library)
    assert served.returncode != 0
    assert "operators of cpabx need the libcpab that they were made for; got libcpab.so: cannot open" in served.stderr
    assert "put its libcpab beside this library" in served.stderr


def test_import_is_light():
    """Neither onnx nor onnxruntime nor a framework."""
    heavy = "onnx onnxruntime onnxscript torch tensorflow"
    code = f"import sys, cpabx_onnx; print(*(set('{heavy}'.split()) & set(sys.modules)))"
    served = run(code, CPABX_LIBRARY_DIR=str(Path(native.load().path).parent))
    assert served.returncode == 0, served.stderr
    assert served.stdout == "\n"


def test_code_of_the_readme(tmp_path):
    pytest.importorskip("cpabx_torch", reason="the example exports from torch")
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) == 2
    code = f"import os; os.chdir({str(tmp_path)!r})\n" + "\n".join(blocks)
    served = run(code, CPABX_LIBRARY_DIR=str(Path(native.load().path).parent))
    assert served.returncode == 0, served.stderr
