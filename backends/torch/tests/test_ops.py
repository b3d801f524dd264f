"""What torch itself asks of an operator."""

import pytest
import torch
from torch.autograd import forward_ad, gradcheck

import cpabx
from cpabx.errors import DeviceError, UnsupportedError
from cpabx_torch import ops

F64 = torch.float64
TESS = cpabx.Tessellation((3, 2))
OPTIONS = ((3, 2), [-1.0, 1.0, -1.0, 1.0], "linear", 1.0)
FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Cpab((3, 2)),
    cpabx.Cpab((2, 2), basis="nodal", boundary="sliding"),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]


def problem(n_batch=2, n_points=5, seed=0):
    """Points and vertex velocities in general position."""
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(n_batch, n_points, 2, generator=generator, dtype=F64) * 2.2 - 1.1
    velocity = torch.randn(n_batch, 18, 2, generator=generator, dtype=F64) * 0.5
    return points.requires_grad_(), velocity.requires_grad_()


def thetas(family, n, scale=0.2):
    return family.sample(n, seed=3, scale=scale, backend="torch", dtype="float64").requires_grad_()


@pytest.mark.parametrize("shared", [False, True])
def test_gradcheck_of_points_and_velocity(shared):
    points, velocity = problem()
    points = points.detach()[:1].requires_grad_() if shared else points
    assert gradcheck(lambda p, v: ops.transform(p, v, TESS, 1.0), (points, velocity))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_gradcheck_of_points_and_theta(family):
    points, theta = problem()[0], thetas(family, 2)
    assert gradcheck(family.transform, (points, theta))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_gradcheck_of_theta_at_zero_and_at_the_identity(family):
    points = problem()[0].detach()
    for theta in (torch.zeros(2, family.n_params, dtype=F64), family.identity(2, backend="torch", dtype="float64")):
        if isinstance(family, cpabx.Homography | cpabx.Composition | cpabx.Affine) and not theta.any():
            # All points fall on the origin: the derivative is still that of a smooth map.
            points = points + 0.01
        assert gradcheck(lambda t, p=points: family.transform(p, t), theta.requires_grad_())


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_gradcheck_of_images_and_theta_through_warp(padding_mode):
    family = cpabx.Cpab((2, 2))
    images = torch.rand(2, 2, 5, 6, dtype=F64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    theta = thetas(family, 2)
    assert gradcheck(lambda i, t: family.warp(i, t, padding_mode=padding_mode), (images, theta))


def test_opcheck():
    points, velocity = problem()
    torch.library.opcheck(ops.transform_op, (points, velocity, *OPTIONS))
    torch.library.opcheck(ops.transform_op, (points.detach()[:1], velocity, *OPTIONS))
    detached = (points.detach(), velocity.detach(), torch.ones_like(points), *OPTIONS)
    torch.library.opcheck(ops.transform_vjp_op, detached)


def test_second_derivative_is_refused():
    points, velocity = problem()
    (grad,) = torch.autograd.grad(ops.transform(points, velocity, TESS, 1.0).sum(), velocity, create_graph=True)
    with pytest.raises(RuntimeError, match=r"cpabx.transform_vjp"):
        grad.sum().backward()


def test_forward_mode_is_refused():
    """torch alone would return tangents of zero."""
    points, velocity = (x.detach() for x in problem())
    with pytest.raises(UnsupportedError, match="forward-mode"):
        torch.func.jvp(lambda v: ops.transform(points, v, TESS, 1.0), (velocity,), (torch.ones_like(velocity),))
    with forward_ad.dual_level(), pytest.raises(UnsupportedError):
        ops.transform(forward_ad.make_dual(points, torch.ones_like(points)), velocity, TESS, 1.0)


def test_other_devices_are_refused():
    family = cpabx.Cpab((2, 2))
    theta = torch.zeros(1, family.n_params, device="meta")
    with pytest.raises(DeviceError, match="CPU"):
        family.transform(torch.zeros(1, 2, device="meta"), theta)
    with pytest.raises(DeviceError, match="one device"):
        family.transform(torch.zeros(1, 2), theta)


def test_numbers_do_not_depend_on_torch_threads():
    points, velocity = problem(n_batch=3, n_points=9000)
    before, results = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            out = ops.transform(points, velocity, TESS, 1.0)
            results.append((out, *torch.autograd.grad(out.square().sum(), (points, velocity))))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_constants_made_in_inference_mode_serve_training():
    """Cached there naively, the basis would be an inference tensor, which backward cannot save."""
    family = cpabx.Cpab((5, 2))
    with torch.inference_mode():
        family.transform(torch.zeros(1, 2), torch.zeros(1, family.n_params))
    theta = torch.zeros(1, family.n_params, requires_grad=True)
    family.transform(torch.zeros(1, 2), theta).sum().backward()
    assert theta.grad is not None


def test_strided_points_and_theta():
    family = cpabx.Cpab((2, 2))
    points, theta = problem()[0].detach(), thetas(family, 2).detach()
    expected = family.transform(points, theta)
    strided = points.transpose(0, 2).contiguous().transpose(0, 2)
    wide = torch.stack([theta, theta], dim=-1)[..., 0]
    assert not strided.is_contiguous()
    assert not wide.is_contiguous()
    assert torch.equal(family.transform(strided, wide), expected)
