"""Bounded theta: near the identity as if it were not, and never further away than it may be."""

import copy
import math

import pytest
import torch

from backends.torch.tests.models import draw, trained
from cpabx.errors import RangeError
from cpabx.layers import LAYER_NAMES
from cpabx_torch import layers
from cpabx_torch.localization import ThetaLinear

each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


def last_layers(layer):
    return [module for module in layer.modules() if isinstance(module, ThetaLinear)]


def moved(name, by, **options):
    """A layer that predicts the identity's theta plus a number."""
    layer = getattr(layers, name)(input_shape=(2, 12, 10), localization="fcn", **options)
    with torch.no_grad():
        for last in last_layers(layer):
            last.bias.add_(by)
    return layer


@each_layer
def test_theta_stays_within_the_bound(name):
    layer = moved(name, 1e4, bound=0.25)
    output, theta = layer(draw(), return_theta=True)
    assert torch.equal(theta, layer.theta(draw()))
    distance = (theta - layer.transformation.identity(3, backend="torch")).abs()
    torch.testing.assert_close(distance, torch.full_like(distance, 0.25))
    assert output.isfinite().all()


@each_layer
def test_it_is_the_tanh_of_the_prediction(name):
    for by in (0.01, -0.1, 0.7):
        theta = moved(name, by, bound=0.5).theta(draw())
        expected = 0.5 * math.tanh(by / 0.5)
        identity = moved(name, 0).transformation.identity(3, backend="torch")
        torch.testing.assert_close(theta - identity, torch.full_like(theta, expected), rtol=0, atol=1e-6)


@each_layer
def test_training_starts_as_without_it(name):
    """The slope is 1 at the identity: the same gradients."""
    grads = []
    for options in ({}, {"bound": 2.0}):
        torch.manual_seed(0)
        layer = getattr(layers, name)(input_shape=(2, 12, 10), **options)
        layer(draw()).square().sum().backward()
        grads.append([parameter.grad for parameter in layer.parameters()])
    for got, expected in zip(*reversed(grads), strict=True):
        torch.testing.assert_close(got, expected)


def test_a_bound_for_each_network_and_each_parameter():
    affine = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    for bound, expected in (((0.1, 3), [0.1] * 6 + [3] * 20), ((affine, None), [*affine, *[50] * 20])):
        layer = moved("STAffineCPAB", 50, cells=(2, 2), bound=bound)
        distance = layer.theta(draw(1)) - layer.transformation.identity(1, backend="torch")
        torch.testing.assert_close(distance, torch.tensor([expected], dtype=torch.float32))


def test_it_prevents_fields_that_cannot_be_integrated():
    with pytest.raises(RangeError):
        moved("STCPAB", 1e4)(draw())
    moved("STCPAB", 1e4, bound=5)(draw()).sum().backward()


def test_it_is_shown_copied_and_compiled():
    layer = trained("STAffineCPAB", bound=(0.5, 2.0))
    assert "bound=[0.5, 2.0]" in repr(layer)
    assert "bound=" not in repr(trained("STCPAB"))
    images = draw()
    assert torch.equal(copy.deepcopy(layer)(images), layer(images))
    program = torch.export.export(layer, (images,)).module()
    torch.testing.assert_close(program(images), layer(images))
    assert layer.half().theta(images.half()).dtype == torch.float32


def test_gradients():
    layer = moved("STCPAB", 0.3, bound=0.5, dtype=torch.float64)
    parameters = dict(layer.named_parameters())

    def theta(*values):
        named = dict(zip(parameters, values, strict=True))
        return torch.func.functional_call(layer, named, (draw().double(),), {"return_theta": True})[1]

    leaves = [value.detach().clone().requires_grad_() for value in parameters.values()]
    assert torch.autograd.gradcheck(theta, leaves, fast_mode=True)
