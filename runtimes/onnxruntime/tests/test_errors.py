"""What is wrong is an error of onnxruntime, with the text of the exception that cpabx raises."""

import numpy as np
import pytest
from onnx import helper

import cpabx
import cpabx_onnx
from cpabx.errors import CpabxError, OptionError

from .conftest import Case, model_of, session_of


def error_of(call):
    with pytest.raises(Exception) as caught:  # noqa: PT011  (onnxruntime's classes differ from version to version)
        call()
    return str(caught.value)


def native_error(case, inputs):
    with pytest.raises(CpabxError) as caught:
        case.native(inputs)
    return str(caught.value)


@pytest.mark.parametrize("operator", ["CpabTransform", "CpabJacobian", "CpabWarp"])
def test_a_field_that_is_too_large(operator, run):
    case = Case(operator, 2)
    inputs = case.inputs(4)
    inputs["velocity"][2] *= 1e9
    text = native_error(case, inputs)
    assert "at batch item 2 (time 0.7)" in text
    assert text in error_of(lambda: run(case, inputs))


def test_a_trajectory_that_overflows(run):
    case = Case("CpabTransform", 2)
    inputs = case.inputs(2, "float32")
    inputs["velocity"][1] *= 30
    inputs["points"][1] *= 1e30
    assert native_error(case, inputs) in error_of(lambda: run(case, inputs))


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf")])
def test_a_time_that_is_not_finite(time, run):
    case = Case("CpabTransform", 2)
    case.options["time"] = time
    inputs = case.inputs(1)
    assert native_error(case, inputs) in error_of(lambda: run(case, inputs))


def test_a_session_goes_on_after_an_error():
    case = Case("CpabTransform", 2)
    inputs, large = case.inputs(2), case.inputs(2)
    large["velocity"] *= 1e9
    session = session_of(model_of([case.node()], list(inputs), ["out"], "float64"))
    assert "too large" in error_of(lambda: session.run(None, large))
    np.testing.assert_array_equal(session.run(None, inputs)[0], case.native(inputs)[0])


@pytest.mark.parametrize(
    ("operator", "name", "shape", "text"),
    [
        ("CpabTransform", "points", (3, 41, 2), "points must be (1 or 2, P, 2); got (3, 41, 2)"),
        ("CpabTransform", "points", (2, 41, 3), "points must be (1 or 2, P, 2); got (2, 41, 3)"),
        ("CpabTransform", "points", (82,), "points must be (1 or 2, P, 2); got (82,)"),
        ("CpabVelocity", "velocity", (2, 17, 2), "velocity must be (N, 18, 2); got (2, 17, 2)"),
        ("CpabJacobian", "velocity", (36,), "velocity must be (N, 18, 2); got (36,)"),
        ("CpabWarp", "images", (2, 1, 9), "images must be"),
        ("CpabWarp", "images", (3, 1, 7, 9), "one batch size; got (3, 1, 7, 9) and (2, 18, 2)"),
        ("CpabWarp", "images", (2, 1, 0, 9), "image"),
        ("CpabSample", "points", (2, 41, 3), "points must be (1 or 2, P, 2); got (2, 41, 3)"),
        ("CpabSample", "images", (2, 9), "images must be"),
    ],
)
def test_shapes(operator, name, shape, text, run):
    case = Case(operator, 2)
    inputs = case.inputs(2)
    inputs[name] = np.zeros(shape)
    assert text in error_of(lambda: run(case, inputs))


def changed(node, **attributes):
    """The node with other attributes; None takes one away."""
    kept = [attribute for attribute in node.attribute if attribute.name not in attributes]
    added = [helper.make_attribute(name, value) for name, value in attributes.items() if value is not None]
    del node.attribute[:]
    node.attribute.extend(kept + added)
    return node


@pytest.mark.parametrize(
    ("operator", "attributes", "text"),
    [
        ("CpabTransform", {"cells": None}, "must have its attribute cells, INTS"),
        ("CpabTransform", {"time": 1.0}, "must have its attribute time, TENSOR of doubles"),
        ("CpabTransform", {"bounds": [-1.0, 1.0, -1.0, 1.0]}, "must have its attribute bounds, TENSOR of doubles"),
        ("CpabTransform", {"cells": [3, 2, 1]}, "bounds must be two numbers for every axis; got 4"),
        ("CpabTransform", {"outside": "far"}, "outside must be one of linear, nearest; got 'far'"),
        ("CpabWarp", {"mode": "sharp"}, "mode must be one of linear, nearest, cubic; got 'sharp'"),
        ("CpabWarp", {"output_size": [3]}, "output_size must have a number for every axis; got (3,)"),
        ("CpabWarp", {"output_size": None}, "must have its attribute output_size, INTS"),
        ("CpabSample", {"align_corners": None}, "must have its attribute align_corners, INT"),
    ],
)
def test_attributes(operator, attributes, text):
    """They are read when a session is made."""
    case = Case(operator, 2)
    model = model_of([changed(case.node(), **attributes)], case.function.inputs, case.outputs, "float64")
    assert text in error_of(lambda: session_of(model))


def test_a_tessellation_that_cannot_be_made():
    case = Case("CpabTransform", 2)
    with pytest.raises(CpabxError) as caught:
        cpabx.Tessellation((0, 2))
    model = model_of([changed(case.node(), cells=[0, 2])], case.function.inputs, case.outputs, "float64")
    required = str(caught.value).split(";")[0]
    assert required.split(" must ")[0] in error_of(lambda: session_of(model))


def test_nodes_that_are_written_by_hand():
    case = Case("CpabTransform", 2)
    with pytest.raises(OptionError, match=r"operator must be one of CpabTransform, .*; got 'CpabTransfrom'"):
        cpabx_onnx.node("CpabTransfrom", ["points", "velocity"], ["out"], **case.options)
    with pytest.raises(OptionError, match="attributes bounds, cells, outside, time; got bounds, cells, outside"):
        cpabx_onnx.node("CpabTransform", ["points", "velocity"], ["out"], tessellation=case.tessellation)
