"""The library of operators, and how a session of onnxruntime gets it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cpabx import native
from cpabx.errors import NativeLibraryError

_FILE_NAME = "libcpabx_onnx.so"


def library_path() -> Path:
    """The library, which every process needs that runs a model with these operators.

    It finds libcpab in the package ``cpabx`` beside its own, or beside itself: to serve where neither is installed,
    copy the two files into one directory.

    Raises:
        NativeLibraryError: it is not where the package was installed.
    """
    # An editable install has two directories: the sources, and where the library was installed.
    directories = [Path(entry) for entry in sys.modules["cpabx_onnx"].__path__]
    found = next((d / _FILE_NAME for d in directories if (d / _FILE_NAME).is_file()), None)
    if found is None:
        looked = " and ".join(map(str, directories))
        raise NativeLibraryError(
            f"cpabx_onnx must be installed with {_FILE_NAME}", f"none in {looked}", "Install cpabx-onnx anew."
        )
    return found


def register(session_options: Any) -> None:
    """Lets sessions with these options run the operators of domain ``cpabx``.

    Their calls use the threads of the session (``intra_op_num_threads``), at most ``CPABX_NUM_THREADS`` of them.

    Args:
        session_options: an ``onnxruntime.SessionOptions``, given to this function once.
    """
    native.load()  # first, so that there is one libcpab in the process, which CPABX_LIBRARY_DIR may choose
    session_options.register_custom_ops_library(str(library_path()))
