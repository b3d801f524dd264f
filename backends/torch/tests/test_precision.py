"""Half precision and autocast: computed in float32, returned as the caller has it, with the gradients of that."""

import copy

import pytest
import torch

import cpabx
from backends.torch.tests.models import draw, trained
from cpabx.errors import DtypeError
from cpabx.layers import LAYER_NAMES

HALVES = [torch.bfloat16, torch.float16]
FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Cpab((3, 2)),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]
each_half = pytest.mark.parametrize("half", HALVES, ids=str)
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
each_layer = pytest.mark.parametrize("name", LAYER_NAMES)


def results(call, *tensors, autocast=None):
    """The value and the gradients, for leaves that start with these values; backward stays out of autocast."""
    leaves = [tensor.clone().requires_grad_() for tensor in tensors]
    with torch.autocast("cpu", autocast, enabled=autocast is not None):
        out = call(*leaves)
    return out, *torch.autograd.grad(out.float().cos().sum(), leaves)


@each_half
@each_family
def test_autocast_does_not_touch_what_is_single(family, half):
    """Not one bit: matrix products of coordinates would otherwise be in half precision."""
    points, theta = torch.rand(3, 9, 2), family.sample(3, seed=0, backend="torch")
    for call, first in ((family.transform, points), (family.warp, draw())):
        expected = results(call, first, theta)
        got = results(call, first, theta, autocast=half)
        for a, b in zip(got, expected, strict=True):
            assert a.dtype == torch.float32
            assert torch.equal(a, b)


@each_half
@each_family
def test_autocast_lifts_what_is_half(family, half):
    """As torch's own interpolation does; gradients are rounded where the arguments are half, and not before."""
    points, theta = torch.rand(3, 9, 2), family.sample(3, seed=0, backend="torch").to(half)
    for call, first in ((family.transform, points), (family.warp, draw()), (family.warp, draw().to(half))):
        expected = results(call, first.float(), theta.float())
        got = results(call, first, theta, autocast=half)
        assert torch.equal(got[0], expected[0])
        for grad, other, argument in zip(got[1:], expected[1:], (first, theta), strict=True):
            assert grad.dtype == argument.dtype
            assert torch.equal(grad, other.to(argument.dtype))


@each_half
def test_without_autocast_half_precision_is_an_error_that_says_what_to_do(half):
    family, theta = cpabx.Cpab((2, 2)), torch.zeros(1, 20, dtype=half)
    with pytest.raises(DtypeError, match="Convert theta"):
        family.transform(torch.zeros(3, 2, dtype=half), theta)
    with pytest.raises(DtypeError, match="Convert images"):
        family.warp(torch.zeros(1, 1, 4, 4, dtype=half), theta.float())


@each_half
@each_layer
def test_layers_under_autocast(name, half):
    """Only the features are in half precision: theta and the transformation are not."""
    layer, images = trained(name), draw()
    plain = layer(images)
    with torch.autocast("cpu", half):
        theta, warped, warped_half = layer.theta(images), layer(images), layer(images.to(half))
    assert (theta.dtype, warped.dtype, warped_half.dtype) == (torch.float32, torch.float32, half)
    if name != "STAffineCPAB":  # whose networks are two
        assert torch.equal(warped, layer.transformation.warp(images, theta))
    torch.testing.assert_close(warped, plain, rtol=0, atol=0.01)
    torch.testing.assert_close(warped_half.float(), plain, rtol=0, atol=0.02)
    warped.square().sum().backward()
    grads = [parameter.grad for parameter in layer.parameters()]
    assert all(grad.dtype == torch.float32 and grad.isfinite().all() and grad.any() for grad in grads)


@each_half
@each_layer
def test_layers_in_half_precision_move_nothing_at_the_identity(name, half):
    """Bit by bit, but for the rounding of weights in the interpolation."""
    layer = trained(name)
    layer.reset_parameters()
    images = draw().to(half)
    warped = layer.to(half)(images)
    assert warped.dtype == half
    torch.testing.assert_close(warped, images, rtol=torch.finfo(half).eps, atol=1e-6)


@each_half
def test_gradients_of_a_layer_in_half_precision(half):
    """Of what follows the network's features they are those of float32, rounded once; the biases show it."""
    layer = trained("STCPAB", localization=torch.nn.Flatten()).to(half)
    single, images = copy.deepcopy(layer).float(), draw().to(half)
    for model in (layer, single):
        model(images.to(next(model.parameters()).dtype)).float().square().sum().backward()
    for got, expected in zip(layer.parameters(), single.parameters(), strict=True):
        assert got.grad.dtype == half
        size = expected.grad.abs().max()
        assert (got.grad.float() - expected.grad).abs().max() <= 4 * torch.finfo(half).eps * size


@each_layer
def test_layers_in_double_precision(name):
    """The same numbers to single precision, and a single-precision step on the way would show."""
    layer, images = trained(name), draw()
    expected = layer(images)
    double = copy.deepcopy(layer).double()
    got = double(images.double())
    assert got.dtype == torch.float64
    torch.testing.assert_close(got.float(), expected, rtol=0, atol=1e-5)
    theta = double.theta(images.double())
    assert not torch.equal(theta, theta.float().double())
    assert (got - double.transformation.warp(images.double(), theta)).abs().max() < 1e-13


def test_a_training_step_with_a_gradient_scaler():
    """Scaled gradients come back as if nothing had been scaled."""
    steps = []
    for enabled in (False, True):
        layer = trained("STCPAB")
        optimizer = torch.optim.SGD(layer.parameters(), 0.1)
        scaler = torch.amp.GradScaler("cpu", enabled=enabled, init_scale=2.0**10)
        with torch.autocast("cpu", torch.bfloat16):
            loss = layer(draw()).square().mean()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        steps.append([parameter.detach() for parameter in layer.parameters()])
    for got, expected in zip(*steps, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)
