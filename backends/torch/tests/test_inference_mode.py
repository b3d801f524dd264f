"""torch.inference_mode: the same numbers, gradients by name included, and nothing of it stays for training."""

import pytest
import torch

import cpabx
from backends.torch.tests.models import SHAPE, draw, trained
from cpabx import registry
from cpabx.layers import LAYER_NAMES
from cpabx.testing.layers import layers_in
from cpabx_torch import layers

F64 = torch.float64
FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(ndim=3),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((2, 3)),
    cpabx.Cpab(3),
    cpabx.Cpab((2, 2)),
    cpabx.Cpab((2, 1, 1), basis="nodal", boundary="sliding"),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2), domain=(-1, 1))),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{type(f).__name__}{f.ndim}D")


def functions(family):
    """All of a family that take tensors, as functions of nothing."""
    generator = torch.Generator().manual_seed(0)
    points, cotangent = (torch.rand(2, 4, family.ndim, dtype=F64, generator=generator) for _ in range(2))
    theta = family.sample(2, seed=0, backend="torch", dtype="float64")
    images = torch.rand(2, 1, *(4, 5, 3)[: family.ndim], dtype=F64, generator=generator)
    found = {
        "transform": lambda: family.transform(points, theta),
        "warp": lambda: family.warp(images, theta),
        "vjp": lambda: torch.cat([g.flatten() for g in family.vjp(points, theta, cotangent)]),
        "vjp of shared points": lambda: torch.cat([g.flatten() for g in family.vjp(points[0], theta, cotangent)]),
        "vjp of what was made within": lambda: family.vjp(points + 0, theta + 0, cotangent + 0)[1],
        "vjp of leaves": lambda: family.vjp(points, theta.clone().requires_grad_(), cotangent)[1].detach(),
    }
    if isinstance(family, cpabx.Cpab):
        names = ("inverse", "velocity_at", "jacobian", "log_det_jacobian")
        found |= {name: lambda name=name: getattr(family, name)(points, theta) for name in names}
        found |= {
            "jvp": lambda: family.jvp(points, theta, cotangent, theta),
            "velocity": lambda: family.velocity(theta),
        }
    return found


@each_family
def test_every_function(family):
    """Also when this is the first use of the family; then training is as it was."""
    for name, function in functions(family).items():
        expected = function()
        registry.get_backend("torch").clear_caches()
        with torch.inference_mode():
            torch.testing.assert_close(function(), expected, rtol=0, atol=0, msg=lambda m, n=name: f"{n}: {m}")
    for wanted in (False, True):
        theta = family.identity(1, backend="torch").requires_grad_(wanted)
        points = torch.zeros(1, 2, family.ndim).requires_grad_(not wanted)
        family.transform(points, theta).sum().backward()


@each_family
def test_gradients_of_what_was_made_in_it(family):
    """By name they are computed; torch's own differentiation asks for a copy."""
    with torch.inference_mode():
        points = torch.rand(3, family.ndim, dtype=F64)
        theta, cotangent = (
            family.identity(2, backend="torch", dtype="float64"),
            torch.rand(2, 3, family.ndim, dtype=F64),
        )
    expected = family.vjp(points.clone(), theta.clone(), cotangent.clone())
    for got, right in zip(family.vjp(points, theta, cotangent), expected, strict=True):
        assert torch.equal(got, right)
    leaf = theta.clone().requires_grad_()
    try:
        family.transform(points, leaf).backward(cotangent.clone())
        torch.testing.assert_close(leaf.grad, expected[1])
    except RuntimeError as error:
        assert "Inference tensors cannot be saved for backward" in str(error)  # noqa: PT017 -- or it is right


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_layers_that_infer_first_and_train_afterwards(name):
    registry.get_backend("torch").clear_caches()
    layer = trained(name)
    with torch.inference_mode():
        got = layer(draw())
    registry.get_backend("torch").clear_caches()
    expected = layer(draw())
    torch.testing.assert_close(got.clone(), expected.detach(), rtol=0, atol=0)
    expected.square().sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_parameters_that_the_first_input_creates_can_be_trained(ndim):
    """Though that input came in inference mode."""
    for name, arguments, _ in layers_in(ndim).values():
        layer = getattr(layers, name)(**arguments)
        images = torch.rand(2, *SHAPE[:1], *(9, 12, 8)[:ndim])
        with torch.inference_mode():
            layer(images)
        optimizer = torch.optim.SGD(layer.parameters(), lr=0.1)
        layer(images).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_registration(mode):
    """A fit differentiates: it says so where it cannot, and needs no gradients to be switched on where it can."""
    moving, fixed = torch.rand(2, 1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with mode():
        moving, fixed = moving * 1, fixed * 1
        if mode is torch.no_grad:
            assert torch.isfinite(cpabx.register(moving, fixed, iterations=2).theta).all()
            return
        with pytest.raises(cpabx.errors.UnsupportedError, match=r"no_grad\(\) in its place"):
            cpabx.register(moving, fixed)
    assert torch.isfinite(cpabx.register(moving.clone(), fixed.clone(), iterations=2).theta).all()
