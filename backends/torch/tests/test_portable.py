"""The portable form in torch: numbers and gradients of libcpab, in programs and traces without its operators."""

import copy

import numpy as np
import pytest
import torch

import cpabx
import cpabx.augment
from backends.torch.tests.models import draw, trained
from cpabx import export
from cpabx.errors import OptionError, UnsupportedError
from cpabx.layers import LAYER_NAMES
from cpabx_torch.layers import CPABActivation

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


# -- the option of layers --------------------------------------------------------------------------


def pair(name, **options):
    """A layer in the portable form, and the native one of the same weights."""
    native = trained(name, **options).eval()
    layer = trained(name, **options, export="portable").eval()
    layer.load_state_dict(native.state_dict())
    return layer, native


@pytest.mark.parametrize("name", sorted(LAYER_NAMES))
def test_layers_made_so_give_the_same(name):
    """With the grid, and as many strides as it takes."""
    layer, native = pair(name)
    for got, wanted in zip(layer(draw(4), return_grid=True), native(draw(4), return_grid=True), strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=1e-4)
    assert "export='portable'" in repr(layer)
    assert "export" not in repr(native)


def test_an_activation_made_so_gives_the_same():
    native, layer = CPABActivation(cells=4), CPABActivation(cells=4, export="portable")
    torch.nn.init.normal_(native.theta, std=0.5)
    layer.load_state_dict(native.state_dict())
    values = torch.linspace(-4, 4, 99)
    torch.testing.assert_close(layer(values), native(values), rtol=0, atol=1e-5)
    torch.testing.assert_close(layer.inverse(layer(values)), values, rtol=0, atol=1e-5)
    assert not torch.equal(layer(values), native(values))  # or it was the same computation


def test_gradients_of_layers_made_so():
    layer, native = pair("STCPAB", cells=(2, 2))
    found = []
    for module in (layer, native):
        (3 * module(draw(3))).sin().sum().backward()
        found.append([p.grad for p in module.parameters()])
    for got, wanted in zip(*found, strict=True):
        torch.testing.assert_close(got, wanted, rtol=0, atol=2e-4 * wanted.abs().max().item())


@pytest.mark.slow
def test_a_program_of_a_layer_made_so_has_a_loop():
    """And no operator of ours, for any batch."""
    layer, native = pair("STCPAB", cells=(2, 2))
    program = torch.export.export(layer, (draw(2),), dynamic_shapes=({0: torch.export.Dim("n")},))
    assert "while_loop" in operators(program.graph)
    graphs = [module.graph for module in program.graph_module.modules() if isinstance(module, torch.fx.GraphModule)]
    assert len(graphs) == 3  # that of the layer, the stride's, and the condition's
    assert not [name for graph in graphs for name in operators(graph) if name.startswith("cpabx")]
    for size in (1, 5):
        torch.testing.assert_close(program.module()(draw(size)), native(draw(size)), rtol=0, atol=1e-4)


def test_a_context_counts_more_than_the_layer():
    """Whoever exports knows how many strides there must be; too few are seen."""
    layer, _ = pair("STCPAB")
    with export.portable(1):
        assert layer(draw()).isnan().any()
    assert layer(draw()).isfinite().all()
    assert isinstance(export.strides_for(layer, draw()), export.Strides)


def test_what_records_no_loop_asks_for_strides():
    layer, _ = pair("STCPAB")
    with pytest.raises(UnsupportedError, match=r"cpabx\.export\.portable\(.*strides_for"):
        torch.jit.trace(layer, draw(2))
    with pytest.raises(Exception, match="Make it without, and load its state_dict"):
        torch.compile(layer, backend="eager")(draw(2))


@pytest.mark.parametrize("form", ["onnx", True, np.zeros(2)], ids=str)
@pytest.mark.parametrize(
    "make", [lambda **options: trained("STCPAB", **options), CPABActivation], ids=["layer", "values"]
)
def test_other_forms_are_refused(make, form):
    with pytest.raises(OptionError, match="export must be None or 'portable'"):
        make(export=form)


def test_an_augmentation_has_the_form_of_the_block_around_it():
    augmentation, results = cpabx.augment.RandomCPAB((3, 3), backend="torch"), []
    for strides in (None, 50):
        torch.manual_seed(1)
        if strides is None:
            results.append(augmentation(draw()))
            continue
        with export.portable(strides):
            results.append(augmentation(draw()))
    torch.testing.assert_close(*results, rtol=0, atol=1e-5)
    assert not torch.equal(*results)
    with pytest.raises(OptionError, match=r"cpabx\.export\.portable"):
        cpabx.augment.RandomCPAB((3, 3), backend="torch", export="portable")
