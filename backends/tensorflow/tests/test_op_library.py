"""The op library: whether it is there, for which TensorFlow, and what happens without it."""

import re
import subprocess
import sys
import textwrap

import pytest
import tensorflow as tf

import cpabx
from cpabx.__main__ import main
from cpabx.errors import OptionError
from cpabx_tensorflow import op_library

BUILT = {"tensorflow": tf.__version__, "cxx11_abi": int(tf.sysconfig.CXX11_ABI_FLAG)}
GRAPH = """
    import tensorflow as tf, cpabx
    family = cpabx.Cpab((2, 2))
    theta, images = family.sample(2, seed=0, backend="tensorflow"), tf.ones((2, 5, 4, 1))
    warp = tf.function(family.warp)
    assert abs(warp(images, theta) - family.warp(images, theta)).numpy().max() < 1e-6
    print(cpabx.get_backend("tensorflow").notes[0])
    for operation in warp.get_concrete_function(images, theta).graph.get_operations():
        print(operation.type)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the op library is built on Linux")
def test_is_built_with_the_wheel():
    assert op_library.path() is not None


def test_graphs_hold_its_operations(new_process):
    note, *kinds = new_process(GRAPH).splitlines()
    assert note == op_library.state()
    assert str(op_library.path()) in note
    assert "CpabxWarp" in kinds
    assert not {"PyFunc", "PyFuncStateless", "EagerPyFunc"} & set(kinds)


def test_switched_off_graphs_call_python(new_process):
    note, *kinds = new_process(GRAPH, CPABX_TENSORFLOW_OP="off").splitlines()
    assert note == "graphs use tf.numpy_function (op library switched off by CPABX_TENSORFLOW_OP)"
    assert "PyFuncStateless" in kinds
    assert not any(kind.startswith("Cpabx") for kind in kinds)


def test_info_tells_which_is_active(capsys):
    assert main(["info"]) == 0
    assert f"          {op_library.state()}\n" in capsys.readouterr().out


def test_a_wheel_without_it_says_so(monkeypatch):
    monkeypatch.setattr(op_library, "built", dict)
    monkeypatch.setattr(op_library, "load", op_library.load.__wrapped__)
    assert op_library.state() == "graphs use tf.numpy_function (op library not built)"


def test_other_settings_are_refused(monkeypatch):
    monkeypatch.setenv("CPABX_TENSORFLOW_OP", "maybe")
    with pytest.raises(OptionError, match=r"on or off.*'maybe'"):
        op_library.load.__wrapped__()


def test_for_another_tensorflow_graphs_call_python(new_process):
    """Its library, which could do anything, is not loaded; and ``info`` says for which there is one."""
    note, *kinds = new_process(
        "import tensorflow as tf; tf.__version__ = '2.99.0'\n" + textwrap.dedent(GRAPH)
    ).splitlines()
    assert re.fullmatch(r"graphs use tf.numpy_function \(op library built for TensorFlow [\d., ]+, not 2.99\)", note)
    assert ".".join(tf.__version__.split(".")[:2]) in note
    assert "PyFuncStateless" in kinds
    assert not any(kind.startswith("Cpabx") for kind in kinds)


def test_there_may_be_one_for_each_minor_version(monkeypatch, tmp_path):
    for minor in ("2.9", "2.16", "2.21"):
        (tmp_path / "op" / minor).mkdir(parents=True)
        (tmp_path / "op" / minor / "libcpabx_tensorflow.so").touch()
    monkeypatch.setattr(sys.modules["cpabx_tensorflow"], "__path__", [str(tmp_path)])
    monkeypatch.setattr(op_library, "built", op_library.built.__wrapped__)
    monkeypatch.setattr(op_library, "load", op_library.load.__wrapped__)
    monkeypatch.setattr(tf, "__version__", "2.16.2")
    assert op_library.path() == tmp_path / "op/2.16/libcpabx_tensorflow.so"
    monkeypatch.setattr(tf, "__version__", "2.20.0")
    assert op_library.path() is None
    assert "built for TensorFlow 2.9, 2.16, 2.21, not 2.20" in op_library.state()


@pytest.mark.skipif(sys.platform != "linux", reason="the op library is built on Linux")
def test_it_links_no_library_of_ours():
    """Which would be searched by a path that other folders of packages do not have."""
    found = subprocess.run(["readelf", "-d", op_library.path()], capture_output=True, text=True, check=True).stdout
    assert "libtensorflow_framework.so" in found
    assert "libcpab.so" not in found
    assert not re.search("RPATH|RUNPATH", found)


@pytest.mark.parametrize("version", ["2.20.0", "2.22.0", "3.21.0"])
def test_minor_versions_are_told_apart(version):
    with pytest.raises(ImportError, match=f"built for TensorFlow {re.escape(version)}"):
        op_library._check_framework({**BUILT, "tensorflow": version})


def test_another_c_plus_plus_is_refused():
    with pytest.raises(ImportError, match=rf"C\+\+ ABI {1 - BUILT['cxx11_abi']}, found"):
        op_library._check_framework({**BUILT, "cxx11_abi": 1 - BUILT["cxx11_abi"]})


def test_patches_of_tensorflow_are_not_told_apart():
    major, minor = tf.__version__.split(".")[:2]
    op_library._check_framework({**BUILT, "tensorflow": f"{major}.{minor}.99"})


def test_a_broken_library_is_told(monkeypatch, tmp_path):
    broken = tmp_path / "libcpabx_tensorflow.so"
    broken.write_bytes(b"no library")
    (tmp_path / "op_build.json").write_text(op_library.path().with_name("op_build.json").read_text())
    monkeypatch.setattr(op_library, "path", lambda: broken)
    with pytest.raises(ImportError, match=r"does not load.*CPABX_TENSORFLOW_OP=off"):
        op_library.load.__wrapped__()


def test_the_backend_notes_it():
    assert cpabx.get_backend("tensorflow").notes == (op_library.state(),)
