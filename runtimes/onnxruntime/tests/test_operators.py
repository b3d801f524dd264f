"""Every operator gives the numbers of libcpab's own call, in all dimensions and types."""

import numpy as np
import pytest
from onnx import TensorProto

from cpabx.sampling import Sampling

from .conftest import Case, model_of, session_of

OPERATORS = ["CpabTransform", "CpabVelocity", "CpabJacobian", "CpabSample", "CpabWarp"]
every_operator = pytest.mark.parametrize("operator", OPERATORS)
in_all_dimensions = pytest.mark.parametrize("ndim", [1, 2, 3])


def assert_native(found, case, inputs):
    expected = case.native(inputs)
    assert len(found) == len(expected)
    for ours, native in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (native.dtype, native.shape)
        np.testing.assert_array_equal(ours, native)  # the same library computes both


@every_operator
@in_all_dimensions
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_one_model_for_batches_of_all_sizes(operator, ndim, dtype):
    case = Case(operator, ndim)
    session = session_of(model_of([case.node()], case.function.inputs, case.outputs, dtype))
    for n in (1, 7, 100):
        inputs = case.inputs(n, dtype, seed=n)
        assert_native(session.run(None, inputs), case, inputs)


@pytest.mark.parametrize("operator", ["CpabTransform", "CpabVelocity", "CpabJacobian", "CpabSample"])
def test_a_batch_may_share_its_points(operator, run):
    case = Case(operator, 2)
    inputs = case.inputs(5, "float32", shared=True)
    assert inputs["points"].shape[0] == 1
    assert_native(run(case, inputs), case, inputs)


@every_operator
def test_options_are_those_of_the_node(operator, run):
    """Each option changes the numbers, and to those of libcpab."""
    sampling = [("cubic", "zeros", False), ("nearest", "wrap", True), ("linear", "reflection", False)]
    results = []
    for outside, options in zip(("nearest", "linear", "linear"), sampling, strict=True):
        case = Case(operator, 2, outside, Sampling(*options))
        inputs = case.inputs(3)
        found = run(case, inputs)
        assert_native(found, case, inputs)
        results.append(found[0])
    assert not np.array_equal(results[0], results[1])


def test_double_precision_of_time_and_domain(run):
    """Neither goes through 32 bits."""
    case = Case("CpabTransform", 2)
    inputs = case.inputs(1)
    found = run(case, inputs)[0]
    case.options["time"] = float(np.float32(0.7))
    assert np.abs(found - case.native(inputs)[0]).max() > 1e-10


def test_size_of_a_warp_as_an_input(run):
    case = Case("CpabWarp", 2)
    inputs, wanted = case.inputs(2, "float32"), case.options.pop("output_size")
    node = case.node(inputs=["images", "velocity", "size"])
    model = model_of([node], ["images", "velocity", ("size", TensorProto.INT64)], ["out"], "float32")
    session = session_of(model)
    for size in (wanted, (3, 12), (0, 4)):
        case.options = {"tessellation": case.tessellation, "time": 0.7, "output_size": size, "sampling": case.sampling}
        found = session.run(None, {**inputs, "size": np.array(size)})
        assert_native(found, case, inputs)


@pytest.mark.parametrize(("names", "kept"), [(["jacobian"], [0]), (["", "log_det"], [1])])
def test_an_output_that_nobody_wants(names, kept):
    case = Case("CpabJacobian", 2)
    inputs = case.inputs(2)
    wanted = [name for name in names if name]
    (found,) = session_of(model_of([case.node(outputs=names)], list(inputs), wanted, "float64")).run(None, inputs)
    np.testing.assert_array_equal(found, case.native(inputs)[kept[0]])


def test_nothing_to_do(run):
    """Empty batches, and none of the points."""
    case = Case("CpabTransform", 2)
    assert run(case, case.inputs(0))[0].shape == (0, 41, 2)
    inputs = case.inputs(3)
    inputs["points"] = inputs["points"][:, :0]
    assert run(case, inputs)[0].shape == (3, 0, 2)


def test_in_a_graph_with_other_operators(run):
    """Both types of numbers in one model, behind operators of onnxruntime's own."""
    from onnx import helper

    case = Case("CpabTransform", 2)
    nodes = [
        helper.make_node("Neg", ["velocity"], ["opposite"]),
        case.node(["points", "opposite"], ["there"]),
        case.node(["there", "velocity"], ["back"]),
        *(helper.make_node("Cast", [name], [f"{name}_32"], to=TensorProto.FLOAT) for name in ("back", "velocity")),
        case.node(["back_32", "velocity_32"], ["again_32"]),
        helper.make_node("Cast", ["again_32"], ["again"], to=TensorProto.DOUBLE),
    ]
    inputs = case.inputs(2)
    back, again = session_of(model_of(nodes, list(inputs), ["back", "again"], "float64")).run(None, inputs)
    np.testing.assert_allclose(back, inputs["points"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(again, case.native({**inputs, "points": back})[0], rtol=0, atol=1e-5)
