"""Older tracers of torch: networks with layers are traced by torch.fx and quantised; torch.jit.script is refused."""

import copy
import warnings

import pytest
import torch

from backends.torch.tests.models import SHAPE, draw, trained
from cpabx.errors import UnsupportedError
from cpabx_torch.layers import CPABActivation, STParallel


def members():
    """A layer of each class of torch.nn.Module that we have."""
    activation = CPABActivation(SHAPE[0])
    torch.nn.init.normal_(activation.theta, std=0.3)
    layer = trained("STCPAB", localization="fcn")
    return {
        "SpatialTransformer": layer,
        "STParallel": STParallel([layer], merge="channels"),
        "CPABActivation": activation,
    }


def network(name):
    first = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.ReLU())
    return torch.nn.Sequential(first, members()[name], torch.nn.Flatten(), torch.nn.Linear(240, 3)).eval()


each = pytest.mark.parametrize("name", list(members()))


@each
def test_a_layer_is_a_leaf_of_a_symbolic_trace(name):
    """One node, for any batch and size; what it computes stays as it is."""
    model = network(name)
    traced = torch.fx.symbolic_trace(model)
    assert [node.target for node in traced.graph.nodes if node.op == "call_module"] == ["0.0", "0.1", "1", "2", "3"]
    for n in (1, 4):
        assert torch.equal(traced(draw(n)), model(draw(n)))


def test_theta_and_grid_of_a_leaf():
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = members()["SpatialTransformer"]

        def forward(self, images):
            out, theta = self.layer(images, return_theta=True)
            return out.mean() + theta.square().sum()

    model, images = Model(), draw(3)
    assert torch.equal(torch.fx.symbolic_trace(model)(images), model(images))


@each
def test_a_layer_alone_is_no_network(name):
    with pytest.raises(UnsupportedError, match=r"torch\.export\.export"):
        torch.fx.symbolic_trace(members()[name])


@pytest.fixture
def any_algorithms():
    """Whatever tests before have asked for: torch's own quantised layers have no deterministic one."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    yield
    torch.use_deterministic_algorithms(before)


@each
@pytest.mark.usefixtures("any_algorithms")
def test_quantised_networks_keep_the_layer(name):
    """FX quantisation makes integers of what is around the layer; what it returns has the error of these alone."""
    quantize_fx = pytest.importorskip("torch.ao.quantization.quantize_fx", reason="this torch left it to torchao")
    from torch.ao.quantization import get_default_qconfig_mapping

    model = network(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch tells that this has a successor, which the next test is about
        prepared = quantize_fx.prepare_fx(copy.deepcopy(model), get_default_qconfig_mapping(), (draw(2),))
        prepared(draw(8))
        quantised = quantize_fx.convert_fx(prepared)
    assert type(quantised.get_submodule("1")) is type(model[1])
    assert "quantized" in type(quantised.get_submodule("3")).__module__
    error = (quantised(draw(4)) - model(draw(4))).abs().max()
    assert 0 < error <= 0.05 * model(draw(4)).abs().max()


def test_quantisation_of_an_exported_program():
    """By torchao, whose quantisers take programs of torch.export."""
    pytest.importorskip("torchao", reason="needs torchao: nox -s export has it")
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    model = network("SpatialTransformer")
    program = torch.export.export(model, (draw(4),), dynamic_shapes=({0: torch.export.Dim("n")},)).module()
    quantiser = x86.X86InductorQuantizer().set_global(x86.get_default_x86_inductor_quantization_config())
    prepared = prepare_pt2e(program, quantiser)
    prepared(draw(8))
    quantised = convert_pt2e(prepared)
    targets = [str(node.target) for node in quantised.graph.nodes]
    assert any("quantize" in target for target in targets)
    assert "cpabx.warp.default" in targets
    error = (quantised(draw(3)) - model(draw(3))).abs().max()
    assert 0 < error <= 0.05 * model(draw(3)).abs().max()


@each
def test_script_is_refused(name):
    """Alone or in a network; torch's own error was about a type annotation of ours."""
    for model in (members()[name], network(name)):
        with pytest.raises(UnsupportedError, match=r"torch\.export\.export.*aoti_compile_and_package"):
            torch.jit.script(model)
