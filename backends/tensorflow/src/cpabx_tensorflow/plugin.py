"""How cpabx finds this backend. Imports no TensorFlow until it is asked for."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

from cpabx import hookimpl

if TYPE_CHECKING:
    from cpabx.backend import Backend


@hookimpl
def cpabx_tensor_modules() -> tuple[str, ...]:
    return ("tensorflow", "keras")


@hookimpl
def cpabx_backend() -> Backend:
    _check_installed()
    _check_keras()
    from cpabx_tensorflow.backend import TensorFlowBackend

    return TensorFlowBackend()


def _check_installed() -> None:
    missing = [name for name in ("tensorflow", "keras") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"{' and '.join(missing)} not installed: pip install cpabx-tensorflow[tensorflow-cpu], "
            "or cpabx-tensorflow[tensorflow] for GPUs"
        )


def _check_keras() -> None:
    """Keras must be version 3 or newer, and run on TensorFlow."""
    try:
        import keras
    except (ImportError, ValueError) as error:  # KERAS_BACKEND names a framework that is not there
        setting = os.environ.get("KERAS_BACKEND", "not set")
        raise ImportError(f"Keras cannot be imported ({error}); KERAS_BACKEND is {setting}: try tensorflow") from error
    if int(keras.__version__.partition(".")[0]) < 3:
        raise ImportError(f"Keras must be version 3 or newer, found {keras.__version__}: pip install -U keras")
    if keras.config.backend() != "tensorflow":
        raise ImportError(
            f"Keras runs on {keras.config.backend()!r}, the layers of cpabx-tensorflow need it on TensorFlow: "
            "set KERAS_BACKEND=tensorflow before Keras is imported"
        )
