"""Layers as objects: saved and loaded as a whole, moved, and made without memory."""

import subprocess
import sys

import pytest
import torch

from backends.torch.tests.models import SHAPE, draw, trained
from cpabx.layers import LAYER_NAMES

LOAD = """
import sys, torch
for name in sys.argv[2:]:
    layer = torch.load(f"{sys.argv[1]}/{name}.layer.pt", weights_only=False)
    torch.save(layer(torch.load(f"{sys.argv[1]}/images.pt")), f"{sys.argv[1]}/{name}.pt")
"""
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


def test_whole_modules_load_in_another_process(tmp_path):
    """Which does not even import cpabx by itself."""
    models = {name: trained(name) for name in LAYER_NAMES}
    torch.save(draw(), tmp_path / "images.pt")
    for name, layer in models.items():
        torch.save(layer, tmp_path / f"{name}.layer.pt")
    subprocess.run([sys.executable, "-c", LOAD, str(tmp_path), *models], check=True, timeout=120)
    for name, layer in models.items():
        assert torch.equal(torch.load(tmp_path / f"{name}.pt"), layer(draw()))


@each_layer
def test_state_dict_of_a_compiled_layer_and_back(name):
    """Keys are those of the parameters, and strict loading has nothing to complain about."""
    layer = trained(name)
    other = trained(name)
    other.reset_parameters()
    assert not torch.equal(other(draw()), layer(draw()))
    other.load_state_dict(layer.state_dict(), strict=True)
    assert torch.equal(other(draw()), layer(draw()))
    twin = torch.compile(trained(name), backend="eager")
    assert {key.removeprefix("_orig_mod.") for key in twin.state_dict()} == layer.state_dict().keys()


@each_layer
def test_meta_layers_have_shapes_and_become_real(name):
    """torch's way of making large models: without memory first; the identity is not lost on the way."""
    for layer in (trained(name, device="meta"), on_meta(name)):
        assert {parameter.device.type for parameter in layer.parameters()} == {"meta"}
        assert layer(draw().to("meta")).shape == (3, *SHAPE)
        real = layer.to_empty(device="cpu")
        real.reset_parameters()
        torch.testing.assert_close(real(draw()), draw(), rtol=0, atol=1e-6)


def on_meta(name):
    with torch.device("meta"):
        return trained(name)


@each_layer
def test_channels_last_images(name):
    """torch keeps the shape and changes the strides; numbers and gradients stay."""
    layer, results = trained(name), []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        images = draw().contiguous(memory_format=memory_format).requires_grad_()
        assert images.is_contiguous(memory_format=memory_format)
        layer.zero_grad()
        out = layer(images)
        out.cos().sum().backward()
        results.append((out, images.grad, *(parameter.grad for parameter in layer.parameters())))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    converted = trained(name).to(memory_format=torch.channels_last)
    torch.testing.assert_close(converted(draw()), results[0][0], rtol=1e-4, atol=1e-5)
