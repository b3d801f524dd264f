"""Theta and grid of one run: exact where the localization draws at random, in graphs, and with gradients."""

import pytest
import torch

from backends.torch.tests.models import SHAPE, draw, noisy_localization, trained
from cpabx.layers import LAYER_NAMES
from cpabx_torch import layers

each_layer = pytest.mark.parametrize("name", LAYER_NAMES)
BOTH = {"return_theta": True, "return_grid": True}


def localizations(name):
    """One for each network of a layer; and the layers in them that count batches."""
    features, norms = zip(*[noisy_localization() for _ in range(2 if name == "STAffineCPAB" else 1)], strict=True)
    return (features if len(features) == 2 else features[0]), norms


@each_layer
def test_theta_made_this_output_in_training(name):
    """Dropout draws anew in every run, and batch normalization counts it."""
    localization, norms = localizations(name)
    layer, images = trained(name, localization=localization, padding_mode="border"), draw()
    assert layer.training
    output, theta, grid = layer(images, **BOTH)
    looks = layer.recurrences if name == "STRecurrent" else 1
    assert [int(norm.num_batches_tracked) for norm in norms] == [looks] * len(norms)
    torch.testing.assert_close(layer.transformation.warp(images, theta, padding_mode="border"), output)
    sampled = torch.nn.functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    torch.testing.assert_close(sampled, output, rtol=0, atol=1e-5)
    assert not torch.equal(layer(images, return_theta=True)[1], theta)
    assert not torch.equal(output, images)


def test_theta_made_this_output_of_layers_side_by_side():
    localization, (norm,) = localizations("STCPAB")
    members = [trained("STCPAB", localization=localization), trained("STAffine")]
    layer, images = layers.STParallel(members), draw()
    outputs, thetas, _ = layer(images, **BOTH)
    assert int(norm.num_batches_tracked) == 1
    for member, output, theta in zip(members, outputs, thetas, strict=True):
        torch.testing.assert_close(member.transformation.warp(images, theta), output)


def test_two_passes_give_the_theta_of_both():
    layer, images = trained("STAffineCPAB", interpolate="twice"), draw()
    output, theta = layer(images, return_theta=True)
    affine, cpab = layer.transformation.parts
    between = affine.warp(images, theta[:, : affine.n_params])
    torch.testing.assert_close(cpab.warp(between, theta[:, affine.n_params :]), output)


@each_layer
def test_penalties_reach_every_parameter(name):
    """Of the grid alone, and of theta alone."""
    for which in (1, 2):
        layer = trained(name, localization="fcn")
        layer(draw(), **BOTH)[which].square().sum().backward()
        grads = [parameter.grad for parameter in layer.parameters()]
        assert all(grad is not None and grad.isfinite().all() and grad.any() for grad in grads)


def all_of(layer, images):
    """The three results of one run, in one tensor."""
    return torch.cat([result.flatten() for result in layer(images, **BOTH)])


@each_layer
def test_in_one_graph(name):
    torch._dynamo.reset()
    layer, images = trained(name), draw()
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(all_of(compiled, images), all_of(layer, images))


@each_layer
def test_in_an_exported_program(name):
    layer = trained(name)
    program = torch.export.export(
        layer, (draw(),), BOTH, dynamic_shapes={"images": {0: torch.export.Dim("n")}, **dict.fromkeys(BOTH)}
    )
    for n in (2, 5):
        torch.testing.assert_close(program.module()(draw(n), **BOTH), layer(draw(n), **BOTH))


def test_by_functional_call_and_per_example():
    layer, images = trained("STCPAB"), draw()
    parameters = dict(layer.named_parameters())

    def penalty(parameters, images):
        _, theta, grid = torch.func.functional_call(layer, parameters, (images,), BOTH)
        return theta.square().sum() + grid.sum()

    grads = torch.func.grad(penalty)(parameters, images)
    penalty(parameters, images).backward()
    for key, grad in grads.items():
        torch.testing.assert_close(grad, parameters[key].grad)


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16], ids=str)
def test_in_half_precision_they_are_single(half):
    layer = trained("STAffineCPAB").to(half)
    output, theta, grid = layer(draw().to(half), **BOTH)
    assert (output.dtype, theta.dtype, grid.dtype) == (half, torch.float32, torch.float32)
    assert grid.shape == (3, *SHAPE[1:], 2)


@pytest.mark.parametrize("interpolate", ["once", "twice"])
def test_both_networks_see_zeros_beyond_the_lengths(interpolate):
    """Also the second one, where the first map has put the fill there."""
    seen = [], []

    class Recorder(torch.nn.Flatten):
        def __init__(self, record):
            super().__init__()
            self.record = record

        def forward(self, series):
            self.record.append(series.detach())
            return super().forward(series)

    networks = [Recorder(record) for record in seen]
    layer = layers.STAffineCPAB(
        (3,), interpolate=interpolate, localization=networks, fill=7.0, input_shape=(1, 8), dtype=torch.float64
    )
    series = torch.rand(2, 1, 8, dtype=torch.float64) + 1
    output = layer(series, lengths=[3, 8])
    for first, second in zip(*seen, strict=True):
        torch.testing.assert_close(second, first)
    assert not seen[1][-1][0, :, 3:].any()
    assert (output[0, :, 3:] == 7).all()
