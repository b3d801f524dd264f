"""Models of one operator, problems for them, and what libcpab answers to these when numpy calls it."""

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

import cpabx
import cpabx_onnx
from cpabx import native
from cpabx.sampling import Sampling

ELEMENTS = {"float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}
CELLS = {1: (5,), 2: (3, 2), 3: (2, 2, 1)}
SIZES = {1: (9,), 2: (7, 9), 3: (4, 5, 6)}
OUTPUT_SIZES = {1: (11,), 2: (8, 5), 3: (5, 4, 3)}


class Case:
    """An operator in some dimensions: its node's options, inputs of any batch size, and the native function."""

    def __init__(self, operator, ndim, outside="linear", sampling=Sampling("linear", "border", True)):  # noqa: B008
        self.operator, self.ndim, self.sampling = operator, ndim, sampling
        domain = [(-1.0, 1.0), (0.1, 0.7), (-0.3, 2.0)][:ndim]
        if operator == "CpabWarp":
            domain = [(-1.0, 1.0)] * ndim
        self.tessellation = cpabx.Tessellation(CELLS[ndim], domain=domain, outside=outside)
        flow = {"tessellation": self.tessellation, "time": 0.7}
        whole = {**flow, "output_size": OUTPUT_SIZES[ndim], "sampling": sampling}
        self.options, self.function = {
            "CpabTransform": (flow, native.functions.transform),
            "CpabVelocity": ({"tessellation": self.tessellation}, native.functions.velocity),
            "CpabJacobian": (flow, native.functions.jacobian),
            "CpabSample": ({"sampling": sampling}, native.functions.sample),
            "CpabWarp": (whole, native.functions.warp),
        }[operator]
        self.outputs = tuple(self.function.outputs)

    def node(self, inputs=None, outputs=None):
        return cpabx_onnx.node(self.operator, inputs or self.function.inputs, outputs or self.outputs, **self.options)

    def inputs(self, n, dtype="float64", seed=0, shared=False):
        rng = np.random.default_rng(seed)
        tess, n_points = self.tessellation, 41
        arrays = {
            "points": rng.uniform(tess.lower - 0.2, tess.upper + 0.2, (1 if shared else n, n_points, self.ndim)),
            "velocity": rng.normal(scale=0.3, size=(n, tess.n_vertices, self.ndim)),
            "images": rng.normal(size=(n, 2, *SIZES[self.ndim])),
        }
        return {name: arrays[name].astype(dtype) for name in self.function.inputs}

    def native(self, inputs):
        """What numpy's call of libcpab gives, in its outputs' order."""
        found = self.function(CHANNELS_FIRST, *inputs.values(), *self.options.values())
        return found if isinstance(found, tuple) else (found,)


class _ChannelsFirst(native.HostArrays):
    """numpy's arrays as onnxruntime has images."""

    channels_last = False


CHANNELS_FIRST = _ChannelsFirst()


def model_of(nodes, inputs, outputs, dtype):
    """A model whose shapes are all unknown. Inputs are names, or pairs of a name and its type."""
    pairs = [pair if isinstance(pair, tuple) else (pair, ELEMENTS[dtype]) for pair in inputs]
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in pairs],
        [helper.make_tensor_value_info(name, ELEMENTS[dtype], None) for name in outputs],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(cpabx_onnx.DOMAIN, cpabx_onnx.VERSION)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def session_of(model, **settings):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    for name, value in settings.items():
        setattr(options, name, value)
    cpabx_onnx.register(options)
    source = model if isinstance(model, (str, bytes)) else model.SerializeToString()
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])


@pytest.fixture
def run():
    """Runs a case once, in a session of its own."""

    def run_case(case, inputs, **settings):
        (dtype,) = {array.dtype.name for array in inputs.values()}
        model = model_of([case.node()], list(inputs), case.outputs, dtype)
        return session_of(model, **settings).run(None, inputs)

    return run_case
