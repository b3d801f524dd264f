"""Activations that are diffeomorphisms."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

import cpabx
from cpabx.errors import DtypeError, OptionError, ShapeError
from cpabx.layers import CPABActivation


def trained(channels=None, cells=6, scale=0.7, dtype=torch.float64):
    layer = CPABActivation(channels, cells, backend="torch", dtype=dtype)
    with torch.no_grad():
        layer.theta.copy_(scale * torch.randn(layer.theta.shape, generator=torch.Generator().manual_seed(1)))
    return layer


def values_of(*shape, dtype=torch.float64):
    return 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)


@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 4, 5), (0, 3)])
def test_starts_as_the_identity(shape):
    x = values_of(*shape)
    assert torch.equal(CPABActivation(backend="torch", dtype=torch.float64)(x), x)


@pytest.mark.parametrize("shape", [(), (7,), (4, 3), (2, 3, 4, 5)])
def test_values_are_those_of_the_flow(shape):
    """By an integrator of ordinary differential equations, of the field between its velocities at the vertices."""
    from scipy.integrate import solve_ivp

    layer, x = trained(), values_of(*shape)
    velocities = [0, *layer.theta.detach().numpy()[0], 0]
    places = np.linspace(-3, 3, 7)

    def field(_, y):
        return np.interp(y, places, velocities)

    start = x.numpy().ravel()
    expected = solve_ivp(field, (0, 1), start, rtol=1e-10, atol=1e-10, max_step=0.01).y[:, -1].reshape(shape)
    np.testing.assert_allclose(layer(x).detach().numpy(), expected, atol=2e-7)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5)])
def test_each_channel_has_its_own(shape):
    layer, x = trained(3), values_of(*shape)
    y = layer(x)
    for channel in range(3):
        one = trained()
        one.theta.data = layer.theta[channel : channel + 1].detach()
        torch.testing.assert_close(y[:, channel], one(x[:, channel]))


@pytest.mark.parametrize("channels", [None, 3])
def test_inverse_order_and_ends(channels):
    layer, x = trained(channels, scale=1.5), values_of(50, 3)
    torch.testing.assert_close(layer.inverse(layer(x)), x, rtol=0, atol=1e-10)
    ordered = layer(x.sort(0).values)
    assert (ordered.diff(dim=0) > 0).all()
    far = torch.tensor([[-1e6] * 3, [-3.0] * 3, [3.0] * 3, [1e6] * 3], dtype=torch.float64)
    assert torch.equal(layer(far), far)


@pytest.mark.parametrize("channels", [None, 3])
def test_gradients(channels):
    layer, x = trained(channels), values_of(2, 3, 2).requires_grad_()
    theta = layer.theta.detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x, t: torch.func.functional_call(layer, {"theta": t}, (x,)), (x, theta))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [None, 3])
def test_half_precision_is_rounded_once(dtype, channels):
    layer, x = trained(channels, dtype=torch.float32), values_of(5, 3).to(dtype).requires_grad_()
    y = layer(x)
    assert torch.equal(y, layer(x.float()).to(dtype))
    y.sum().backward()
    assert x.grad.dtype == dtype
    assert layer.theta.grad.dtype == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer(x), y)


def test_it_learns_a_monotone_function():
    layer = CPABActivation(cells=12, backend="torch")
    x = values_of(2000, dtype=torch.float32)
    target = torch.where(x.abs() < 3, x + 0.4 * torch.sin(torch.pi * x / 3), x)
    adam = torch.optim.Adam(layer.parameters(), lr=0.1)
    for _ in range(80):
        adam.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        adam.step()
    assert loss < 1e-4 < (x - target).square().mean()


def test_strided_values_and_copies():
    layer, x = trained(3), values_of(4, 5, 3).movedim(2, 1)
    torch.testing.assert_close(layer(x), layer(x.contiguous()))
    again = pickle.loads(pickle.dumps(layer))
    assert torch.equal(again(x), layer(x))
    layer.reset_parameters()
    assert torch.equal(layer(x), x)
    assert "channels=3" in repr(nn.Sequential(layer))


def test_a_family_of_ones_own():
    layer = CPABActivation(cells=cpabx.Cpab(4, domain=(0, 1)), backend="torch")
    assert layer.theta.shape == (1, layer.transformation.n_params)
    assert layer(torch.tensor(2.0)) == 2


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda: CPABActivation(0, backend="torch"), OptionError, "channels"),
        (lambda: CPABActivation(cells=1, backend="torch"), OptionError, "from 2"),
        (lambda: CPABActivation(cells=cpabx.Cpab((2, 2)), backend="torch"), OptionError, "in 1D"),
        (lambda: CPABActivation(3, backend="torch")(torch.zeros(2, 4)), ShapeError, "C = 3"),
        (lambda: CPABActivation(3, backend="torch")(torch.zeros(3)), ShapeError, "C = 3"),
        (lambda: CPABActivation(backend="torch")(torch.zeros(3, dtype=torch.int64)), DtypeError, "floats"),
        (lambda: CPABActivation(backend="torch", dtype=torch.int64), DtypeError, "floating"),
    ],
)
def test_refusals(use, error, words):
    with pytest.raises(error, match=words):
        use()
