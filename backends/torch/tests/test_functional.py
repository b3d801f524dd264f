"""torch.func on families: what torch.autograd says by another way, or an error, but never a silent zero."""

import contextlib

import pytest
import torch
from torch.autograd import functional
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

import cpabx
from cpabx import registry
from cpabx.errors import UnsupportedError

F64 = torch.float64
SMOOTH = [cpabx.AffineDiffeo(), cpabx.Homography(), cpabx.ThinPlateSpline((2, 3))]
FLOWS = [
    cpabx.Cpab((2, 2)),
    cpabx.Cpab((2, 1), basis="nodal", boundary="sliding", domain=((0, 1), (-1, 2))),
    cpabx.Cpab(3),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]
SIZES = {1: (7,), 2: (4, 3)}
CALLS = ["transform", "warp"]
each_family = pytest.mark.parametrize("family", SMOOTH + FLOWS, ids=lambda f: f"{type(f).__name__}{f.n_params}")
each_flow = pytest.mark.parametrize("family", FLOWS, ids=lambda f: f"{type(f).__name__}{f.n_params}")
each_call = pytest.mark.parametrize("call", CALLS)


def problem(family, call):
    """The function of theta (N, d) and something before it, with values for both."""
    generator = torch.Generator().manual_seed(0)
    shape = (2, 4, family.ndim) if call == "transform" else (2, 1, *SIZES[family.ndim])
    first = torch.rand(shape, dtype=F64, generator=generator)
    return getattr(family, call), first, family.sample(2, seed=1, scale=0.2, backend="torch", dtype="float64")


def same(got, expected):
    for a, b in zip(got, expected, strict=True):
        assert b.abs().max() > 1e-3  # or zeros would do
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@each_call
@each_family
def test_vmap(family, call):
    """Over items, and over batches of theta for one first argument."""
    function, first, theta = problem(family, call)
    same([vmap(lambda x, t: function(x[None], t[None])[0])(first, theta)], [function(first, theta)])
    thetas = torch.stack([theta, theta.flip(0)])
    same([vmap(lambda t: function(first, t))(thetas)], [torch.stack([function(first, t) for t in thetas])])


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_matrices_that_are_none_become_nan_where_values_are_not_known(family):
    """Under vmap, and on a device without values; eagerly it is an error, as the suite checks."""
    bad = torch.eye(3, dtype=F64).repeat(3, 1, 1)
    bad[1, 2] = torch.tensor([1.0, 0, 0])
    points = torch.rand(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    moved = vmap(lambda t: family.transform(points, t[None])[0])(bad)
    assert moved[1].isnan().all()
    torch.testing.assert_close(moved[::2], points.expand(2, 4, 2), rtol=0, atol=0)
    assert family.transform(points.to("meta"), bad.to("meta")).shape == (3, 4, 2)


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Homography()])
def test_inverses_that_are_not_there_become_nan_where_values_are_not_known(family):
    theta = family.identity(3, backend="torch", dtype="float64")
    theta[1, 0] = 0
    points = torch.rand(4, 2, dtype=F64, generator=torch.Generator().manual_seed(0))
    for back in (
        vmap(lambda t: family.inverse(points, t[None])[0])(theta),
        torch.compile(family.inverse, fullgraph=True, backend="eager")(points, theta),
    ):
        assert back[1].isnan().all()
        torch.testing.assert_close(back[::2], points.expand(2, 4, 2), rtol=0, atol=0)
    assert family.inverse(points.to("meta"), theta.to("meta")).shape == (3, 4, 2)


@each_call
@each_family
def test_first_derivatives(family, call):
    """Rows, columns, and a gradient per item."""
    function, first, theta = problem(family, call)
    expected = functional.jacobian(function, (first, theta))
    same(jacrev(function, argnums=(0, 1))(first, theta), expected)
    same(jacfwd(function, argnums=(0, 1))(first, theta), expected)

    def loss(x, t):
        return function(x, t).cos().sum()

    per_item = vmap(grad(lambda x, t: loss(x[None], t[None]), argnums=1))(first, theta)
    same([per_item], [functional.jacobian(lambda t: loss(first, t), theta)])


@each_call
@each_family
def test_second_derivatives(family, call):
    """Reverse over reverse, and reverse over forward."""
    function, first, theta = problem(family, call)

    def loss(t):
        return function(first, t).cos().sum()

    expected = [functional.hessian(loss, theta)]
    same([jacrev(grad(loss))(theta)], expected)
    same([jacrev(jacfwd(loss))(theta)], expected)


@each_call
@each_flow
def test_what_there_is_not(family, call):
    """Forward over reverse and forward over forward, each with an error that names another way."""
    function, first, theta = problem(family, call)

    def loss(t):
        return function(first, t).cos().sum()

    for way in (hessian(loss), lambda t: jvp(grad(loss), (t,), (t,)), jacfwd(jacfwd(loss))):
        with pytest.raises(UnsupportedError, match="Use"):
            way(theta)


@pytest.mark.parametrize("first", [lambda f: jacrev(grad(f)), lambda f: grad(lambda t: grad(f)(t).sum()), hessian])
@each_family
def test_nothing_of_a_transformation_outlives_it(family, first):
    """Constants that are first needed within one are as good afterwards as if it had not been."""
    registry.get_backend("torch").clear_caches()
    function, images, theta = problem(family, "warp")

    def loss(t):
        return function(images, t).square().sum()

    expected = functional.jacobian(loss, theta)
    registry.get_backend("torch").clear_caches()
    with contextlib.suppress(UnsupportedError):  # hessian of flows
        first(loss)(theta)
    same([grad(loss)(theta)], [expected])
