"""The op library: whether it is there, for which TensorFlow, and what happens without it."""

import re
import sys

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
    monkeypatch.setattr(op_library, "path", lambda: None)
    monkeypatch.setattr(op_library, "load", op_library.load.__wrapped__)
    assert op_library.state() == "graphs use tf.numpy_function (op library not built)"


def test_other_settings_are_refused(monkeypatch):
    monkeypatch.setenv("CPABX_TENSORFLOW_OP", "maybe")
    with pytest.raises(OptionError, match=r"on or off.*'maybe'"):
        op_library.load.__wrapped__()


def test_another_tensorflow_is_refused_with_a_sentence(new_process):
    """Before its library is loaded, which could do anything."""
    out = new_process("""
        import tensorflow as tf, cpabx
        tf.__version__, tf.load_op_library = "2.20.0", None
        try:
            cpabx.set_backend("tensorflow")
        except cpabx.errors.BackendLoadError as error:
            print(error)
    """)
    assert f"the op library was built for TensorFlow {tf.__version__}" in out
    assert "found TensorFlow 2.20.0" in out
    assert "CPABX_TENSORFLOW_OP=off" in out


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
