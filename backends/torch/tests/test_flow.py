"""What torch itself asks of an operator."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import cpabx
from cpabx.errors import DeviceError, NativeLibraryError, UnsupportedError
from cpabx.native import functions as native
from cpabx.native import library
from cpabx_torch import devices, flow, functions

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
    assert gradcheck(lambda p, v: flow.transform(p, v, TESS, 1.0), (points, velocity))


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


def check(function, *arguments):
    torch.library.opcheck(function.operator, arguments)


def test_opcheck():
    points, velocity = problem()
    shared = points.detach()[:1]
    tangents = (torch.ones_like(points), torch.ones_like(velocity))
    for p in (points, shared):
        check(functions.transform, p, velocity, *OPTIONS)
        check(functions.velocity, p, velocity, *OPTIONS[:-1])
        check(functions.jacobian, p, velocity, *OPTIONS)
        for wanted in ([True, True], [True, False], [False, True]):
            check(functions.transform_vjp, p, velocity, torch.ones_like(points), *wanted, *OPTIONS)
    check(functions.transform_jvp, points, velocity, *tangents, *OPTIONS)
    check(functions.transform_jvp, shared, velocity, None, tangents[1], *OPTIONS)
    both, detached = [True, True], (points.detach(), velocity.detach())
    check(functions.transform_vjp_jvp, *detached, torch.ones_like(points), *tangents, *both, *OPTIONS)
    check(functions.jacobian_vjp, *detached, None, torch.ones(2, 5, dtype=F64), *both, *OPTIONS)


each_sharing = pytest.mark.parametrize("shared", [False, True], ids=["paired", "shared"])


def leaves(shared=False):
    """Points, velocities, and tangents of both."""
    points, velocity = problem()
    points = points.detach()[:1].requires_grad_() if shared else points
    generator = torch.Generator().manual_seed(1)
    tangents = [torch.randn(x.shape, generator=generator, dtype=F64).requires_grad_() for x in (points, velocity)]
    return points, velocity, *tangents


def moved(points, velocity):
    return flow.transform(points, velocity, TESS, 1.0)


@each_sharing
def test_gradgradcheck_of_points_and_velocity(shared):
    assert gradgradcheck(moved, leaves(shared)[:2])


@pytest.mark.parametrize("only", [0, 1], ids=["points", "velocity"])
def test_gradgradcheck_of_one_alone(only):
    """The other takes no part: no cotangent, no gradient."""
    values = [x.detach() for x in leaves()[:2]]
    assert gradgradcheck(
        lambda x: moved(*(x if i == only else v for i, v in enumerate(values))), values[only].requires_grad_()
    )


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: type(f).__name__)
def test_gradgradcheck_of_points_and_theta(family):
    assert gradgradcheck(family.transform, (problem()[0], thetas(family, 2)))


@each_sharing
def test_gradcheck_of_jvp(shared):
    """With respect to all four, and where one tangent is not there."""
    points, velocity, *tangents = leaves(shared)
    assert gradcheck(lambda p, v, s, t: flow.transform_jvp(p, v, s, t, TESS, 1.0), (points, velocity, *tangents))
    assert gradcheck(lambda p, v, s: flow.transform_jvp(p, v, s, None, TESS, -0.5), (points, velocity, tangents[0]))
    assert gradcheck(lambda p, v, t: flow.transform_jvp(p, v, None, t, TESS, 0.5), (points, velocity, tangents[1]))


@each_sharing
def test_gradcheck_of_velocity(shared):
    assert gradcheck(lambda p, v: flow.velocity(p, v, TESS), leaves(shared)[:2])


@each_sharing
@pytest.mark.parametrize("which", [0, 1], ids=["jacobian", "log_det"])
def test_gradcheck_of_jacobian_and_log_det(shared, which):
    assert gradcheck(lambda p, v: flow.jacobian(p, v, TESS, 1.0)[which], leaves(shared)[:2])
    assert gradcheck(lambda p, v: flow.jacobian(p, v, TESS, -0.75), leaves(shared)[:2])


def test_a_result_that_nobody_used_costs_nothing(monkeypatch):
    """libcpab is asked for what is needed, and for nothing else."""
    calls = []
    genuine = native.jacobian_vjp._call

    def spy(memory, arguments, *options):
        calls.append(tuple(cotangent is not None for cotangent in arguments[2:4]))
        return genuine(memory, arguments, *options)

    monkeypatch.setattr(native.jacobian_vjp, "_call", spy)
    for used in ((True, False), (False, True), (True, True)):
        results = flow.jacobian(*problem(), TESS, 1.0)
        sum(result.sum() for result, wanted in zip(results, used, strict=True) if wanted).backward()
    assert calls == [(True, False), (False, True), (True, True)]


def test_vjp_of_a_family_is_differentiable_and_tells_its_arguments_apart():
    """Points that are made of theta: the gradients are partial ones, and what is made of them is a graph."""
    family = cpabx.Cpab((2, 2))
    theta = thetas(family, 2)
    points, cotangent = theta[:, :10].reshape(2, 5, 2), torch.ones(2, 5, 2, dtype=F64)
    got = family.vjp(points, theta, cotangent)
    apart = family.vjp(points.detach(), theta.detach(), cotangent)
    assert not any(grad.requires_grad for grad in apart)
    for a, b in zip(got, apart, strict=True):
        assert a.requires_grad
        assert torch.equal(a, b)
    p, t = problem(n_points=4)[0], theta.detach().requires_grad_()
    assert gradcheck(lambda p, t, c: family.vjp(p, t, c), (p, t, cotangent[:, :4].clone().requires_grad_()))


def test_third_derivatives_are_refused():
    """And second ones of what is a derivative by itself."""
    points, velocity, *tangents = leaves()
    (first,) = torch.autograd.grad(moved(points, velocity).sum(), velocity, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), velocity, create_graph=True)
    jvp = flow.transform_jvp(points, velocity, *tangents, TESS, 1.0)
    matrices, log_det = flow.jacobian(points, velocity, TESS, 1.0)
    for derivative in (jvp, matrices, log_det):
        (grad,) = torch.autograd.grad(derivative.sum(), velocity, create_graph=True, retain_graph=True)
        with pytest.raises(UnsupportedError, match="up to the second"):
            grad.sum().backward()
    with pytest.raises(UnsupportedError, match="up to the second"):
        second.sum().backward()


def test_second_derivatives_of_velocity_are_right_or_refused():
    """It is linear in the velocities: nothing is left of these twice, and mixed ones need what is not there."""
    points, velocity, *_ = leaves()
    weights = torch.linspace(-1, 1, 20, dtype=F64).reshape(2, 5, 2)
    loss = (flow.velocity(points, velocity, TESS) * weights).sum()
    grad_points, grad_velocity = torch.autograd.grad(loss, (points, velocity), create_graph=True)
    (mixed,) = torch.autograd.grad((grad_velocity * velocity).sum(), points, retain_graph=True)
    assert torch.allclose(mixed, grad_points)  # <d/dv, v> is the loss again
    with pytest.raises(UnsupportedError):
        grad_points.sum().backward()


def test_function_transforms():
    """torch.func.grad of a loss, and of one per item by vmap: the gradients of torch.autograd."""
    points, velocity, *_ = leaves()
    expected = torch.autograd.grad(moved(points, velocity).cos().sum(), (points, velocity))
    whole = torch.func.grad(lambda p, v: moved(p, v).cos().sum(), argnums=(0, 1))
    items = torch.func.vmap(torch.func.grad(lambda p, v: moved(p[None], v[None]).cos().sum(), argnums=(0, 1)))
    for transformed in (whole, items):
        for a, b in zip(transformed(points.detach(), velocity.detach()), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


# -- forward mode --------------------------------------------------------------------------------


def test_gradcheck_in_forward_mode():
    """torch alone would return tangents of zero."""
    assert gradcheck(moved, leaves()[:2], check_forward_ad=True)


def test_forward_mode_is_jvp():
    values = [x.detach() for x in leaves()]
    points, velocity, tangent_points, tangent_velocity = values
    expected = flow.transform_jvp(*values, TESS, 1.0)
    assert expected.abs().max() > 0.1
    primal, tangent = torch.func.jvp(moved, (points, velocity), (tangent_points, tangent_velocity))
    assert torch.equal(primal, moved(points, velocity))
    assert torch.equal(tangent, expected)
    only_points = flow.transform_jvp(points, velocity, tangent_points, None, TESS, 1.0)
    with forward_ad.dual_level():
        result = moved(forward_ad.make_dual(points, tangent_points), velocity)
        assert torch.equal(forward_ad.unpack_dual(result).tangent, only_points)


def test_forward_mode_through_a_family():
    """As users call it, with jacfwd's vmap around it."""
    family = cpabx.Cpab((3, 2))
    points, theta = problem()[0].detach()[:1], thetas(family, 1).detach()
    forward = torch.func.jacfwd(lambda p: family.transform(p, theta))(points)
    reverse = torch.autograd.functional.jacobian(lambda p: family.transform(p, theta), points)
    assert torch.allclose(forward, reverse, rtol=0, atol=1e-12)


def test_nested_forward_mode_is_refused():
    """The outer tangents cannot be seen, and the answer would be zero."""
    points, velocity, tangent_points, tangent_velocity = (x.detach() for x in leaves())

    def first(v):
        return torch.func.jvp(lambda w: moved(points, w), (v,), (tangent_velocity,))[1]

    with pytest.raises(UnsupportedError, match="first order"):
        torch.func.jvp(first, (velocity,), (tangent_velocity,))
    with pytest.raises(UnsupportedError, match="first order"):
        torch.func.jvp(
            lambda p: flow.transform_jvp(p, velocity, None, tangent_velocity, TESS, 1.0), (points,), (tangent_points,)
        )
    for derivative in (flow.velocity, lambda p, v, t: flow.jacobian(p, v, t, 1.0)[0]):
        with pytest.raises(UnsupportedError, match="first order"):
            torch.func.jvp(lambda v, f=derivative: f(points, v, TESS), (velocity,), (tangent_velocity,))


def test_cuda_devices_are_refused_where_there_is_no_library(monkeypatch):
    monkeypatch.setattr(devices, "_has_library", False)
    monkeypatch.setattr(library, "load_cuda", no_cuda)
    family = cpabx.Cpab((2, 2))
    with FakeTensorMode():
        theta = torch.zeros(1, family.n_params, device="cuda")
        with pytest.raises(DeviceError, match="CPU"):
            family.transform(torch.zeros(1, 2, device="cuda"), theta)
        with pytest.raises(DeviceError, match="one device"):
            family.transform(torch.zeros(1, 2), theta)


def no_cuda():
    raise NativeLibraryError("there must be one", "none", "Build it.")


def test_meta_tensors_get_shapes():
    family = cpabx.Cpab((2, 2))
    points, theta = torch.zeros(5, 2, device="meta"), torch.zeros(3, family.n_params, device="meta").requires_grad_()
    moved = family.transform(points, theta)
    matrices = family.jacobian(points, theta)
    assert (moved.shape, matrices.shape, moved.device.type) == ((3, 5, 2), (3, 5, 2, 2), "meta")
    (grad,) = torch.autograd.grad(moved.sum(), theta)
    assert (grad.shape, grad.device.type) == (theta.shape, "meta")


def test_numbers_do_not_depend_on_torch_threads():
    points, velocity = problem(n_batch=3, n_points=9000)
    before, results = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            out = flow.transform(points, velocity, TESS, 1.0)
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
