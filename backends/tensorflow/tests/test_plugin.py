"""The door through which cpabx comes in."""

import os
import subprocess
import sys
import textwrap

import pytest

import cpabx


def run(code, **env):
    """What a new process prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_plugin_module_imports_no_tensorflow():
    run("""
        import sys, cpabx_tensorflow.plugin as plugin
        assert plugin.cpabx_tensor_modules() == ("tensorflow", "keras")
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """)


def test_backend_is_found_by_its_entry_point():
    found = {entry.name: entry for entry in cpabx.available_backends(load=False)}
    assert cpabx.get_backend("tensorflow").framework_version.startswith("tensorflow 2.")
    assert found["tensorflow"].distribution.startswith("cpabx-tensorflow ")


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["tensorflow", "keras"])
def test_missing_framework_gets_a_sentence(missing):
    out = run(f"""
        import importlib.util
        find = importlib.util.find_spec
        importlib.util.find_spec = lambda name, *rest: None if name == {missing!r} else find(name, *rest)
        import cpabx
        try:
            cpabx.set_backend("tensorflow")
        except cpabx.errors.BackendLoadError as error:
            print(error)
    """)
    assert f"{missing} not installed" in out
    assert "pip install cpabx-tensorflow[tensorflow-cpu]" in out
    assert "cpabx-tensorflow[tensorflow]" in out


def test_keras_on_another_framework_gets_a_sentence():
    out = run("""
        import keras, cpabx
        keras.config.backend = lambda: "jax"
        try:
            cpabx.set_backend("tensorflow")
        except cpabx.errors.BackendLoadError as error:
            print(error)
        cpabx.set_backend("numpy")
    """)
    assert "Keras runs on 'jax'" in out
    assert "KERAS_BACKEND=tensorflow" in out


def test_keras_that_cannot_be_imported_gets_a_sentence():
    out = run(
        """
        import cpabx
        try:
            cpabx.set_backend("tensorflow")
        except cpabx.errors.BackendLoadError as error:
            print(error)
        """,
        KERAS_BACKEND="openvino_of_old",
    )
    assert "KERAS_BACKEND is openvino_of_old" in out
