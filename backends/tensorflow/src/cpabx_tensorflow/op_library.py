"""The op library: libcpab's functions as operations of TensorFlow, for graphs and for tensors on CUDA devices.

Built with the wheel, one for each minor version of TensorFlow that was there then; with another version graphs call
back into Python (:mod:`.host`). It opens the libcpab that the process has loaded, else that of ``CPABX_LIBRARY_DIR`` or
one beside itself; and where there is a libcpab_cuda beside that, its operations run on CUDA devices, too.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.kernels import get_registered_kernels_for_op  # there is no public way

from cpabx import native
from cpabx.errors import OptionError
from cpabx.native import status

_FILE_NAME = "libcpabx_tensorflow.so"
_SETTING = "CPABX_TENSORFLOW_OP"


def path() -> Path | None:
    """The op library for this TensorFlow, which a SavedModel needs where it is served; None if there is none."""
    return built().get(_minor(tf.__version__))


@functools.cache
def built() -> dict[str, Path]:
    """The op libraries of the wheel, by the minor version of TensorFlow that each is for."""
    # An editable install has two directories: the sources, and where the libraries were installed.
    directories = [Path(entry) / "op" for entry in sys.modules["cpabx_tensorflow"].__path__]
    return {file.parent.name: file for directory in directories for file in directory.glob(f"*/{_FILE_NAME}")}


@functools.cache
def load() -> ModuleType | None:
    """The operations; None if there are none for this TensorFlow, or ``CPABX_TENSORFLOW_OP=off`` switches them off.

    Raises:
        ImportError: the library was built for another C++, or does not load.
        OptionError: ``CPABX_TENSORFLOW_OP`` is neither ``on`` nor ``off``.
    """
    library = path()
    if library is None or not _wanted():
        return None
    _check_framework(json.loads(library.with_name("op_build.json").read_text(encoding="utf-8")))
    native.load()  # before the op library, so that there is one libcpab, which CPABX_LIBRARY_DIR may choose
    try:
        operations: ModuleType = tf.load_op_library(str(library))
    except tf.errors.OpError as error:
        raise ImportError(f"the op library {library} does not load: {error.message}. {_WAY_OUT}") from error
    return operations


def in_graph() -> ModuleType | None:
    """The operations, if a graph is being made and they are there."""
    return None if tf.executing_eagerly() else load()


def gpu_of(tensors: Sequence[tf.Tensor]) -> str | None:
    """The GPU that an eager call with these tensors is for, if the operations can run there."""
    on_gpu = (tensor.device for tensor in tensors if "GPU:" in tensor.device)
    return next(on_gpu, None) if has_cuda() else None


@functools.cache
def has_cuda() -> bool:
    """Whether the operations can run on CUDA devices; if not, TensorFlow takes them to the CPU."""
    if load() is None:
        return False
    return any(kernel.device_type == "GPU" for kernel in get_registered_kernels_for_op("CpabxTransform").kernel)


def check_device_errors() -> None:
    """Raises what CUDA devices have told of earlier calls by now."""
    if has_cuda():
        with tf.init_scope(), tf.device("CPU:0"), own_errors():
            load().cpabx_device_errors()  # type: ignore[union-attr]


@contextlib.contextmanager
def own_errors() -> Iterator[None]:
    """Makes exceptions of cpabx out of those that TensorFlow raises for an operation that is run eagerly."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if (told := status.error_told(native.load(), error.message)) is None:
            raise
        raise told from None


def state() -> str:
    """What graphs call, for ``python -m cpabx info``."""
    if load() is not None:
        return f"graphs{' and CUDA devices' * has_cuda()} use the op library {path()}"
    reason = _why_not_built() if path() is None else f"switched off by {_SETTING}"
    return f"graphs use tf.numpy_function (op library {reason})"


def _why_not_built() -> str:
    if not built():
        return "not built"
    others = ", ".join(sorted(built(), key=lambda minor: [int(number) for number in minor.split(".")]))
    return f"built for TensorFlow {others}, not {_minor(tf.__version__)}"


_WAY_OUT = (
    "Install cpabx-tensorflow anew for this TensorFlow (pip install --force-reinstall --no-deps), "
    f"or set {_SETTING}=off to go without the op library."
)


def _wanted() -> bool:
    setting = os.environ.get(_SETTING, "on")
    if setting not in ("on", "off"):
        raise OptionError(f"{_SETTING} must be on or off", repr(setting), "Correct or unset it.")
    return setting == "on"


def _check_framework(record: dict[str, Any]) -> None:
    """Minor versions and the C++ ABI must agree: TensorFlow promises no more to libraries than that."""
    found = {"tensorflow": tf.__version__, "cxx11_abi": int(tf.sysconfig.CXX11_ABI_FLAG)}
    if _interface(record) != _interface(found):
        theirs, ours = (f"TensorFlow {it['tensorflow']} with C++ ABI {it['cxx11_abi']}" for it in (record, found))
        raise ImportError(f"the op library was built for {theirs}, found {ours}. {_WAY_OUT}")


def _interface(record: dict[str, Any]) -> tuple[str, int]:
    return _minor(record["tensorflow"]), record["cxx11_abi"]


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])
