"""The places of onnxruntime's table that cc/runtime.h names, asked of the runtime at hand through its C functions."""

import ctypes
import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

import cpabx_onnx
from cpabx import native

from .conftest import Case, model_of

HEADER = Path(__file__).parents[1] / "cc" / "runtime.h"
VERSION = int(re.search(r"CPABX_ORT_API_VERSION = (\d+)", HEADER.read_text())[1])


ASK, TELL = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_uint32), ctypes.CFUNCTYPE(ctypes.c_void_p)


class Base(ctypes.Structure):
    _fields_ = [("table", ASK), ("version", TELL)]


@pytest.fixture(scope="module")
def base():
    """The C interface, of packages that have it as a library of its own."""
    found = sorted(Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.*"))
    if not found:
        pytest.skip(f"onnxruntime {onnxruntime.__version__} has no libonnxruntime")
    library = ctypes.CDLL(str(found[0]))
    library.OrtGetApiBase.restype = ctypes.POINTER(Base)
    return library.OrtGetApiBase().contents


class Api:
    """The table, by its places."""

    def __init__(self, base, version):
        self.table = ctypes.cast(base.table(version), ctypes.POINTER(ctypes.c_void_p))

    def __call__(self, place, *arguments):
        function = ctypes.CFUNCTYPE(ctypes.c_void_p, *(type(a) for a in arguments))(self.table[place])
        status = function(*arguments)
        if status:
            text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(self.table[2])(status)
            raise RuntimeError(text.decode())

    def made(self, place, *arguments):
        """What a function leaves at its last argument."""
        result = ctypes.c_void_p()
        self(place, *arguments, ctypes.pointer(result))
        return result


def test_the_runtime_has_the_table(base):
    assert base.table(VERSION)
    assert ctypes.string_at(base.version()).decode() == onnxruntime.__version__
    assert not base.table(10_000)


def test_the_library_is_registered_as_from_c(base, tmp_path):
    """By RegisterCustomOpsLibrary_V2, which is what C++'s Ort::SessionOptions::RegisterCustomOpsLibrary calls."""
    native.load()
    case = Case("CpabTransform", 2)
    model = model_of([case.node()], case.function.inputs, ["out"], "float32").SerializeToString()
    api = Api(base, VERSION)
    environment = api.made(3, ctypes.c_int(4), ctypes.c_char_p(b"test"))
    options = api.made(10)
    with pytest.raises(RuntimeError, match="cpabx"):  # an operator that nobody has registered
        api.made(8, environment, ctypes.c_char_p(model), ctypes.c_size_t(len(model)), options)
    api(228, options, ctypes.c_char_p(str(cpabx_onnx.library_path()).encode()))
    session = api.made(8, environment, ctypes.c_char_p(model), ctypes.c_size_t(len(model)), options)
    n_inputs = ctypes.c_size_t()
    api(30, session, ctypes.pointer(n_inputs))
    assert n_inputs.value == 2
    ctypes.CFUNCTYPE(None, ctypes.c_void_p)(api.table[95])(session)


def test_a_runtime_that_is_too_old(base):
    """It has no table of our version, but that of the first: so it can be told what is missing."""
    ask = ASK(lambda version: base.table(version) if version < VERSION else None)
    name = ctypes.create_string_buffer(b"1.16.3")
    tell = TELL(lambda: ctypes.addressof(name))
    old = Base(ask, tell)
    library = ctypes.CDLL(str(cpabx_onnx.library_path()))
    library.RegisterCustomOps.restype = ctypes.c_void_p
    status = library.RegisterCustomOps(None, ctypes.byref(old))
    text = ctypes.CFUNCTYPE(ctypes.c_char_p, ctypes.c_void_p)(Api(base, 1).table[2])(status)
    assert text == b"operators of cpabx need onnxruntime 1.17 or later; got 1.16.3. pip install -U onnxruntime"


def test_one_domain_for_all_sessions():
    """The library may be registered with any number of options."""
    case = Case("CpabTransform", 2)
    model = model_of([case.node()], case.function.inputs, ["out"], "float64").SerializeToString()
    inputs = case.inputs(1)
    for _ in range(3):
        options = onnxruntime.SessionOptions()
        cpabx_onnx.register(options)
        for _ in range(2):
            session = onnxruntime.InferenceSession(model, options)
            np.testing.assert_array_equal(session.run(None, inputs)[0], case.native(inputs)[0])
