"""Tensors whose memory does not hold their values: torch negates what it reads, or knows that all is zero."""

import pytest
import torch

import cpabx
from backends.torch.tests.models import draw, trained
from cpabx.layers import LAYER_NAMES

F64 = torch.float64
SIZES = {1: (6,), 2: (4, 5), 3: (3, 2, 4)}
FAMILIES = [
    cpabx.Cpab(3),
    cpabx.Cpab((2, 2)),
    cpabx.Cpab((1, 2, 1), basis="nodal", boundary="sliding"),
    cpabx.AffineDiffeo(),
    cpabx.ThinPlateSpline((2, 3)),
    cpabx.Homography(),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]
DERIVATIVES = ("velocity_at", "jacobian", "log_det_jacobian", "jvp", "vjp", "velocity")
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{type(f).__name__}{f.ndim}D")


def negated(values):
    """Contiguous, and -values in memory."""
    lazy = torch._neg_view(-values.detach())
    assert lazy.is_neg()
    assert lazy.is_contiguous()
    return lazy


def zeros(values):
    lazy = torch._efficientzerotensor(values.shape, dtype=values.dtype)
    assert lazy._is_zerotensor()
    return lazy


def calls(family):
    """Functions of tensors, all of them, with ordinary arguments."""
    draw = torch.Generator().manual_seed(0)
    points = torch.rand(2, 4, family.ndim, dtype=F64, generator=draw)
    theta = family.sample(2, seed=0, backend="torch", dtype="float64")
    images = torch.rand(2, 2, *SIZES[family.ndim], dtype=F64, generator=draw)
    cotangent, along = (torch.randn(x.shape, dtype=F64, generator=draw) for x in (points, theta))
    found = {
        "transform": (family.transform, (points, theta)),
        "transform of shared points": (family.transform, (points[0], theta)),
        "vjp": (lambda *a: torch.cat([g.flatten() for g in family.vjp(*a)]), (points, theta, cotangent)),
        "warp": (family.warp, (images, theta)),
        "nearest": (lambda i, t: family.warp(i, t, mode="nearest"), (images, theta)),
    }
    if isinstance(family, cpabx.Cpab):
        names = ("inverse", "velocity_at", "jacobian", "log_det_jacobian")
        found |= {name: (getattr(family, name), (points, theta)) for name in names}
        found |= {"jvp": (family.jvp, (points, theta, cotangent, along)), "velocity": (family.velocity, (theta,))}
    return found


@pytest.mark.parametrize("lazy", [negated, zeros])
@each_family
def test_every_argument_of_every_function(family, lazy):
    for name, (function, arguments) in calls(family).items():
        for i in range(len(arguments)):
            given = [lazy(x) if i == j else x for j, x in enumerate(arguments)]
            meant = [x if x is y else x + torch.zeros_like(y) for x, y in zip(given, arguments, strict=True)]
            torch.testing.assert_close(function(*given), function(*meant), msg=lambda m, n=name, i=i: f"{n} {i}: {m}")


@each_family
def test_gradients(family):
    """What is saved is lazy, and so is what comes from the loss, once and twice."""
    for name, (function, arguments) in calls(family).items():
        if name in DERIVATIVES:
            continue
        results = []
        for seen in (lambda x: x, torch.clone):
            leaves = [seen(negated(x)).requires_grad_() for x in arguments]
            out = function(*leaves)
            once = torch.autograd.grad(out, leaves, seen(weights(out)), create_graph=True)
            once = [grad for grad in once if grad.requires_grad]
            results.append(once + list(torch.autograd.grad(once, leaves, [seen(weights(g)) for g in once])))
        for got, expected in zip(*results, strict=True):
            torch.testing.assert_close(got, expected, msg=lambda m, n=name: f"{n}: {m}")


def weights(values):
    return negated(torch.linspace(-1, 1, values.numel(), dtype=F64).reshape(values.shape))


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_layers(name):
    layer = trained(name)
    assert torch.equal(layer(negated(draw())), layer(draw()))
