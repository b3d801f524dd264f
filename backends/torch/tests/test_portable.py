"""The portable form in torch: numbers and gradients of libcpab, in programs and traces without its operators."""

import copy

import pytest
import torch

import cpabx
from backends.torch.tests.models import draw, trained
from cpabx import export
from cpabx.errors import UnsupportedError
from cpabx.layers import LAYER_NAMES

CELLS = [(5,), (3, 3), (2, 2, 2)]


def arguments(family, n=3, p=40):
    generator = torch.Generator().manual_seed(0)
    points = 2.2 * torch.rand(n, p, family.ndim, generator=generator, dtype=torch.float64) - 1.1
    return points, 0.3 * torch.randn(n, family.n_params, generator=generator, dtype=torch.float64)


def operators(graph):
    return {str(node.target) for node in graph.nodes if node.op == "call_function"}


@pytest.mark.parametrize("cells", CELLS, ids=str)
def test_gradients_are_those_of_libcpab(cells):
    """Times of strides are constants to autograd, which changes nothing."""
    family, results = cpabx.Cpab(cells), []
    given = arguments(family)
    cotangent = torch.randn(given[0].shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for plan in (None, export.Strides(40, reach=0.5, order=14, refinements=2)):
        leaves = [x.clone().requires_grad_() for x in given]
        if plan is None:
            moved = family.transform(*leaves)
        else:
            with export.portable(plan):
                moved = family.transform(*leaves)
        results.append((moved.detach(), *torch.autograd.grad(moved, leaves, cotangent)))
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", sorted(LAYER_NAMES))
def test_every_layer_gives_the_same(name):
    layer, images = trained(name).eval(), draw(4)
    with export.portable(export.strides_for(layer, images)):
        got = layer(images)
    torch.testing.assert_close(got, layer(images), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_program_of_any_batch_and_picture_has_no_operator_of_ours():
    layer, n = trained("STCPAB", cells=(2, 2), output_size=(6, 5)).eval(), torch.export.Dim("n")
    with export.portable(3):
        program = torch.export.export(layer, (draw(2),), dynamic_shapes=({0: n},))
    assert not [name for name in operators(program.graph) if name.startswith("cpabx")]
    for size in (1, 5):
        torch.testing.assert_close(program.module()(draw(size)), layer(draw(size)), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of the tracer, about every size
@pytest.mark.parametrize("name", ["STAffine", "STAffineDiffeo", "STCPAB"])
def test_a_fresh_layer_can_be_traced(name):
    """By torch.jit.trace, for any batch; the size of pictures is the one of the example."""
    layer = trained(name, **({"cells": (2, 2)} if name == "STCPAB" else {})).eval()
    with export.portable(3):
        traced = torch.jit.trace(copy.deepcopy(layer), draw(2))
    assert "cpabx::" not in str(traced.inlined_graph)
    for size in (1, 5):
        torch.testing.assert_close(traced(draw(size)), layer(draw(size)), rtol=1e-4, atol=1e-4)


def test_a_trace_outside_of_it_is_refused_as_before():
    with pytest.raises(UnsupportedError, match=r"cpabx\.export\.portable"):
        torch.jit.trace(trained("STCPAB").eval(), draw(2))
