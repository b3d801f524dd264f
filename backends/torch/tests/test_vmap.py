"""torch.func.vmap: the numbers of a loop, by one call of libcpab for all examples, and without a warning."""

import warnings

import pytest
import torch
from torch.func import grad, jacfwd, jacrev, jvp, vjp, vmap

import cpabx
from cpabx.errors import RangeError
from cpabx.native import functions as native
from cpabx.sampling import Sampling
from cpabx_torch import flow, sampling

F64 = torch.float64
SIZES = {1: (6,), 2: (4, 5), 3: (3, 2, 4)}
FAMILIES = [cpabx.Cpab(4), cpabx.Cpab((2, 2)), cpabx.Cpab((2, 1, 1)), cpabx.Cpab((2, 2), basis="nodal", domain=(0, 2))]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{f.ndim}D{f.n_params}")
pytestmark = pytest.mark.filterwarnings("error::UserWarning")
B, N, P = 3, 2, 5


@pytest.fixture(autouse=True)
def native_calls(monkeypatch):
    """Names of the functions of libcpab that are called."""
    called = []
    for function in native.all_functions():

        def counted(*arguments, genuine=function._call, name=function.name):
            called.append(name)
            return genuine(*arguments)

        monkeypatch.setattr(function, "_call", counted)
    return called


def numbers(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed)) * 0.3


def operators(family):
    """Functions of tensors whose first axis is the batch."""
    n, tess = family.ndim, family.tessellation
    p, v, g = numbers(N, P, n), numbers(N, tess.n_vertices, n, seed=1), numbers(N, P, n, seed=2)
    t, theta = numbers(N, P, n, seed=3), numbers(N, family.n_params, seed=4)
    images, out = numbers(N, 2, *SIZES[n], seed=5), numbers(N, 2, *SIZES[n], seed=6)

    def gradients(function):
        def both(first, second, cotangent):
            return torch.cat([grads.flatten(1) for grads in vjp(function, first, second)[1](cotangent)], dim=1)

        return both

    def transform(points, velocity):
        return flow.transform(points, velocity, tess, 0.7)

    return {
        "transform": (transform, (p, v)),
        "transform_vjp": (gradients(transform), (p, v, g)),
        "transform_jvp": (lambda p, v, t: flow.transform_jvp(p, v, t, None, tess, 1.0), (p, v, t)),
        "transform_jvp of fields": (lambda p, v, w: flow.transform_jvp(p, v, None, w, tess, 1.0), (p, v, -v)),
        "velocity": (lambda p, v: flow.velocity(p, v, tess), (p, v)),
        "jacobian": (lambda p, v: flow.jacobian(p, v, tess, 1.0)[0], (p, v)),
        "log_det": (lambda p, v: flow.jacobian(p, v, tess, 1.0)[1], (p, v)),
        "warp": (family.warp, (images, theta)),
        "warp_vjp": (gradients(family.warp), (images, theta, out)),
        "family": (lambda p, t: family.transform(p, t, time=-0.5), (p, theta)),
        "sample": (lambda i, p: family_sample(i, p), (images, p)),
        "sample_vjp": (gradients(lambda i, p: family_sample(i, p)), (images, p, out.flatten(2)[..., :P])),
    }


def family_sample(images, points):
    return sampling.sample(images, points, Sampling("linear", "border"))


def items(arguments, i):
    return [x[i : i + 1] for x in arguments]


@each_family
def test_every_operator_of_mapped_and_shared_arguments(family, native_calls):
    """Whichever arguments are mapped, along whichever axis, of batches of one and of more."""
    for name, (function, arguments) in operators(family).items():
        for mapped in range(1, 2 ** len(arguments)):
            axes = tuple((i % 3 - 1 if mapped >> i & 1 else None) for i in range(len(arguments)))
            for n in (1, N):
                each = [
                    x[:n] if axis is None else torch.stack([x[:n] * (1 - 0.2 * b) for b in range(B)], axis)
                    for x, axis in zip(arguments, axes, strict=True)
                ]
                expected = [
                    function(*(x if a is None else x.select(a, b) for x, a in zip(each, axes, strict=True)))
                    for b in range(B)
                ]
                native_calls.clear()
                got = vmap(function, in_dims=axes)(*each)
                torch.testing.assert_close(got, torch.stack(expected), rtol=1e-10, atol=1e-12, msg=lambda m: name + m)  # noqa: B023
                assert len(native_calls) == len(set(native_calls)), (name, native_calls)


@each_family
def test_points_of_all_examples_at_once(family, native_calls):
    """(P, n) points that nothing maps stay one set of points."""
    points, theta = numbers(P, family.ndim), numbers(B, family.n_params, seed=1)
    torch.testing.assert_close(
        vmap(lambda t: family.transform(points, t[None])[0])(theta), family.transform(points, theta)
    )
    assert native_calls == ["transform"] * 2


@each_family
def test_gradients_per_example(family, native_calls):
    images, theta = numbers(B, 1, *SIZES[family.ndim]), numbers(B, family.n_params, seed=1)
    points = numbers(P, family.ndim, seed=2)

    def loss(image, theta):
        return family.warp(image[None], theta[None]).cos().sum() + family.transform(points, theta[None]).sin().sum()

    expected = [torch.stack(x) for x in zip(*(grad(loss, (0, 1))(*pair) for pair in zip(images, theta, strict=True)))]  # noqa: B905
    native_calls.clear()
    torch.testing.assert_close(vmap(grad(loss, (0, 1)))(images, theta), tuple(expected))
    assert sorted(native_calls) == sorted(["transform", "transform_vjp", "warp", "warp_vjp"])
    leaf = theta.clone().requires_grad_()  # and a gradient through the map, by autograd
    vmap(loss)(images, leaf).sum().backward()
    torch.testing.assert_close(leaf.grad, expected[1])


@each_family
def test_maps_within_maps(family, native_calls):
    """Axes of a map of maps, in either order; Jacobians and second derivatives of each example."""
    points, thetas = numbers(P, family.ndim), numbers(2, B, family.n_params, seed=1)

    def moved(theta):
        return family.transform(points, theta[None])[0]

    flat = family.transform(points, thetas.flatten(0, 1)).unflatten(0, (2, B))
    native_calls.clear()
    torch.testing.assert_close(vmap(vmap(moved))(thetas), flat)
    torch.testing.assert_close(vmap(vmap(moved), in_dims=1, out_dims=1)(thetas), flat)
    torch.testing.assert_close(vmap(vmap(moved, in_dims=1), in_dims=2)(thetas.permute(2, 1, 0)), flat)
    assert native_calls == ["transform"] * 3

    def loss(theta):
        return moved(theta).cos().sum()

    for of, way in ((moved, jacrev), (moved, jacfwd), (loss, lambda f: jacrev(grad(f)))):
        native_calls.clear()
        got = vmap(way(of))(thetas[0])
        assert len(native_calls) <= 5
        torch.testing.assert_close(got, torch.stack([way(of)(theta) for theta in thetas[0]]))
    along = thetas[1]
    got = vmap(lambda t, u: jvp(moved, (t,), (u,))[1])(thetas[0], along)
    torch.testing.assert_close(got, family.jvp(points, thetas[0], tangent_theta=along))


@each_family
def test_chunks_and_compiled_maps(family):
    points, theta = numbers(P, family.ndim), numbers(B, family.n_params, seed=1)

    def moved(theta):
        return family.transform(points, theta[None])[0]

    expected = family.transform(points, theta)
    torch.testing.assert_close(vmap(moved, chunk_size=2)(theta), expected)
    torch._dynamo.reset()
    compiled = torch.compile(vmap(moved), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(theta), expected)
    torch._dynamo.reset()


@each_family
def test_errors_arrive_as_they_are(family):
    """Also while torch has a warning to give."""
    theta = numbers(B, family.n_params) * 1e6
    images, points = numbers(B, 1, *SIZES[family.ndim]), numbers(P, family.ndim)
    calls = [
        lambda: vmap(lambda t: family.transform(points, t[None]))(theta),
        lambda: vmap(lambda i, t: family.warp(i[None], t[None]))(images, theta),
        lambda: vmap(grad(lambda t: family.transform(points, t[None]).sum()))(theta),
        lambda: vmap(lambda t: family.jacobian(points, t[None]))(theta),
        lambda: vmap(lambda t: family.velocity_at(points, t[None]))(theta * 1e30),
    ]
    for call in calls:
        for action in ("error", "always"):
            with warnings.catch_warnings():
                warnings.simplefilter(action)
                pytest.raises(RangeError, call)
