"""Sampling and the fused warp as torch sees them: operators, gradients of every order and mode, memory formats."""

import itertools

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad, gradcheck, gradgradcheck
from torch.fx.experimental.proxy_tensor import make_fx

import cpabx
from cpabx import get_backend
from cpabx.errors import DeviceError, UnsupportedError
from cpabx.native import functions as native
from cpabx.sampling import Sampling
from cpabx_torch import functions, sampling, warp
from cpabx_torch.differentiation import is_plain

F64 = torch.float64
SAMPLING = [
    Sampling(*options)
    for options in itertools.product(
        ["linear", "nearest", "cubic"], ["zeros", "border", "reflection", "wrap"], [False, True]
    )
]
each_sampling = pytest.mark.parametrize(
    "options", SAMPLING, ids=lambda s: f"{s.mode}-{s.padding_mode}-{s.align_corners}"
)
each_ndim = pytest.mark.parametrize("ndim", [1, 2, 3])
LINEAR = Sampling("linear", "border")
SIZES = {1: (7,), 2: (4, 5), 3: (3, 2, 4)}
OUTPUT = {1: (5,), 2: (3, 4), 3: (2, 3, 2)}


def draw(*shape, seed=0):
    return torch.rand(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def images_and_points(ndim, n_batch=2, n_points=6):
    """Points inside the image and around it."""
    return draw(n_batch, 2, *SIZES[ndim]).requires_grad_(), (
        draw(n_batch, n_points, ndim, seed=1) * 3 - 1.5
    ).requires_grad_()


def problem(ndim, n_batch=2):
    """Images, velocities, and how to warp one by the other."""
    tess = cpabx.Tessellation((2, 1, 2)[:ndim], domain=((-1, 1), (0, 2), (1, 4))[:ndim])
    velocity = (draw(n_batch, tess.n_vertices, ndim, seed=2) - 0.5).requires_grad_()

    def call(images, velocity, mode="linear", padding_mode="border", align_corners=False):
        return warp.warp(images, velocity, tess, 0.7, OUTPUT[ndim], Sampling(mode, padding_mode, align_corners))

    return images_and_points(ndim, n_batch)[0], velocity, call


def op_options(ndim, mode="linear"):
    tess = cpabx.Tessellation((2, 1, 2)[:ndim], domain=((-1, 1), (0, 2), (1, 4))[:ndim])
    return functions.warp.flat(tess, 0.7, OUTPUT[ndim], Sampling(mode, "border"))


# -- sampling --------------------------------------------------------------------------------------


@each_sampling
@each_ndim
def test_three_ways_to_sample_agree(ndim, options):
    """libcpab, torch's own kernel and plain operations: values and both gradients."""
    results = []
    for way in (sampling.sample, sampling._grid_sample, sampling.interpolate):
        images, points = images_and_points(ndim)
        out = way(images, points, options)
        grads = torch.autograd.grad(out.cos().sum(), (images, points), materialize_grads=True)
        results.append((out, *grads))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@each_ndim
def test_interpolate_has_the_derivatives_of_libcpab_at_pixels(ndim):
    """Where there are two: on the lattice of the pixels, with corners that are exact in binary."""
    size = (5, 3, 9)[:ndim]
    axes = [torch.linspace(-1, 1, n, dtype=F64) for n in reversed(size)]
    points = torch.cartesian_prod(*axes).reshape(1, -1, ndim)
    for padding_mode in ("zeros", "border", "reflection", "wrap"):
        grads = []
        for way in (sampling.sample, sampling.interpolate):
            given = (draw(1, 2, *size).requires_grad_(), points.clone().requires_grad_())
            grads.append(torch.autograd.grad(way(*given, Sampling("linear", padding_mode, True)).cos().sum(), given))
        for got, expected in zip(*grads, strict=True):
            torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@each_sampling
@each_ndim
def test_not_finite_points_in_all_ways(ndim, options):
    """NaN, with a gradient of NaN, and nothing for the images."""
    for way in (sampling.sample, sampling.interpolate):
        images, points = images_and_points(ndim)
        with torch.no_grad():
            points[0, 1, 0], points[1, 2, -1] = torch.nan, torch.inf
        out = way(images, points, options)
        lost = torch.zeros(2, 6, dtype=torch.bool)
        lost[0, 1] = lost[1, 2] = True
        assert torch.equal(out.isnan(), lost[:, None].expand(2, 2, 6))
        grads = torch.autograd.grad(out, (images, points), torch.ones_like(out))
        assert grads[0].isfinite().all()
        assert torch.equal(grads[1].isnan(), lost[..., None].expand(2, 6, ndim))


@each_ndim
@pytest.mark.parametrize(
    ("mode", "padding_mode"),
    [("linear", "zeros"), ("linear", "border"), ("linear", "reflection"), ("linear", "wrap"), ("cubic", "reflection")],
)
def test_gradcheck_of_sample(ndim, mode, padding_mode):
    def sample(images, points):
        return sampling.sample(images, points, Sampling(mode, padding_mode))

    values = images_and_points(ndim)
    assert gradcheck(sample, values)
    assert gradgradcheck(sample, values)
    assert gradcheck(sample, values, check_forward_ad=True, check_backward_ad=False)


# -- the fused warp --------------------------------------------------------------------------------


@each_ndim
@pytest.mark.parametrize("only", [None, 0, 1], ids=["both", "images", "velocity"])
def test_gradcheck_of_warp(ndim, only):
    """To every order that there is, also where the other takes no part."""
    *values, call = problem(ndim)
    if only is not None:
        values[1 - only].requires_grad_(False)
    assert gradcheck(call, values)
    assert gradgradcheck(call, values)
    assert gradcheck(call, values, check_forward_ad=True, check_backward_ad=False)


@each_sampling
def test_warp_is_transform_and_sample(options):
    """Also in the gradients, for both modes."""
    images, velocity, call = problem(2)
    tess = cpabx.Tessellation((2, 1), domain=((-1, 1), (0, 2)))
    fused = call(images, velocity, options.mode, options.padding_mode, options.align_corners)
    apart = warp._through_points(images, velocity, tess, 0.7, OUTPUT[2], options)
    torch.testing.assert_close(fused, apart, rtol=0, atol=1e-12)
    grads = (torch.autograd.grad(out.cos().sum(), (images, velocity), materialize_grads=True) for out in (fused, apart))
    for got, expected in zip(*grads, strict=True):
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_third_derivatives_of_warp_are_refused():
    images, velocity, call = problem(2)
    (first,) = torch.autograd.grad(call(images, velocity).square().sum(), velocity, create_graph=True)
    (second,) = torch.autograd.grad(first.square().sum(), velocity, create_graph=True)
    with pytest.raises(UnsupportedError, match="up to the second"):
        second.sum().backward()


def test_forward_mode_of_warp_is_that_of_differences():
    """torch alone would return tangents of zero."""
    images, velocity, call = (x.detach() if isinstance(x, torch.Tensor) else x for x in problem(2))
    along = draw(*velocity.shape, seed=3)
    primal, tangent = torch.func.jvp(lambda v: call(images, v), (velocity,), (along,))
    h = 1e-6
    expected = (call(images, velocity + h * along) - call(images, velocity - h * along)) / (2 * h)
    assert tangent.abs().max() > 0.01
    torch.testing.assert_close(primal, call(images, velocity), rtol=0, atol=1e-12)
    torch.testing.assert_close(tangent, expected, rtol=0, atol=1e-7)
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(images, draw(*images.shape, seed=4))
        tangent = forward_ad.unpack_dual(call(dual, velocity)).tangent
    torch.testing.assert_close(tangent, call(draw(*images.shape, seed=4), velocity), rtol=0, atol=1e-12)


def test_nested_forward_mode_of_warp_is_refused():
    images, velocity, call = problem(2)
    velocity = velocity.detach()

    def first(v):
        return torch.func.jvp(lambda w: call(images, w), (v,), (velocity,))[1]

    with pytest.raises(UnsupportedError, match="first order"):
        torch.func.jvp(first, (velocity,), (velocity,))


# -- the two ways to libcpab -----------------------------------------------------------------------


@each_ndim
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_opcheck(ndim, mode):
    images, velocity, _ = problem(ndim)
    _, points = images_and_points(ndim)
    out, options = torch.ones(2, 2, *OUTPUT[ndim], dtype=F64), (mode, "border", False)
    torch.library.opcheck(functions.sample.operator, (images, points, *options))
    torch.library.opcheck(functions.warp.operator, (images, velocity, *op_options(ndim, mode)))
    detached = [x.detach() for x in (images, points, velocity)]
    for wanted in ([True, True], [True, False], [False, True]):
        ones = torch.ones(2, 2, 6, dtype=F64)
        torch.library.opcheck(functions.sample_vjp.operator, (*detached[:2], ones, *wanted, *options))
        arguments = (detached[0], detached[2], out, *wanted, *op_options(ndim, mode))
        torch.library.opcheck(functions.warp_vjp.operator, arguments)


def test_function_transforms():
    """torch.func.grad of a loss, and of one per item by vmap: the same gradients."""
    images, velocity, call = problem(2)
    _, points = images_and_points(2)

    def sample(images, points):
        return sampling.sample(images, points, LINEAR)

    for function, *given in ((call, images, velocity), (sample, images, points)):
        expected = torch.autograd.grad(function(*given).cos().sum(), given)

        def loss(images, other, function=function):
            assert not is_plain(images, other)
            return function(images, other).cos().sum()

        whole = torch.func.grad(loss, argnums=(0, 1))
        items = torch.func.vmap(torch.func.grad(lambda i, v, f=loss: f(i[None], v[None]), argnums=(0, 1)))
        for transformed in (whole, items):
            for a, b in zip(transformed(*(x.detach() for x in given)), expected, strict=True):
                torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_batched_gradients():
    """Jacobians by vmap, whose tensors have no memory of their own."""
    images, velocity, call = problem(1)
    apart, together = (
        torch.autograd.functional.jacobian(lambda v: call(images.detach(), v), velocity, vectorize=vectorize)
        for vectorize in (False, True)
    )
    assert apart.abs().max() > 0.01
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-12)


def test_only_the_gradients_that_are_needed_are_computed(monkeypatch):
    """libcpab gets no address for the others."""
    asked, genuine = [], native.warp_vjp._call

    def watching(memory, arguments, n_threads, wanted, tape):
        asked.append(tuple(wanted))
        return genuine(memory, arguments, n_threads, wanted, tape)

    monkeypatch.setattr(native.warp_vjp, "_call", watching)
    images, velocity, call = problem(2)
    call(images, velocity.detach()).sum().backward()
    call(images.detach(), velocity).sum().backward()
    call(images, velocity).sum().backward()
    assert asked == [(True, False), (False, True), (True, True)]


def test_memory_formats_and_strides():
    """channels_last and slices: same numbers, and gradients in the shape of the images."""
    family, theta = cpabx.Cpab((2, 2)), 0.3 * torch.ones(2, 20, dtype=F64)
    images = draw(2, 3, 6, 5)
    expected = family.warp(images, theta)
    for loose in (
        images.contiguous(memory_format=torch.channels_last),
        draw(2, 3, 6, 10)[..., ::2],
        images.mT.contiguous().mT,
    ):
        view = loose.detach().copy_(images).requires_grad_()
        assert not view.is_contiguous()
        assert torch.equal(family.warp(view, theta), expected)
        (grad,) = torch.autograd.grad(family.warp(view, theta).square().sum(), view)
        given = images.clone().requires_grad_()
        assert torch.equal(grad, torch.autograd.grad(family.warp(given, theta).square().sum(), given)[0])


def test_numbers_do_not_depend_on_torch_threads():
    family = cpabx.Cpab((4, 4))
    theta = family.sample(3, seed=0, scale=0.5, backend="torch").requires_grad_()
    images = torch.rand(3, 2, 90, 80, generator=torch.Generator().manual_seed(0)).requires_grad_()
    before, results = torch.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            out = family.warp(images, theta)
            results.append((out, *torch.autograd.grad(out.square().sum(), (images, theta))))
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_other_devices():
    """CPAB refuses them, but for meta; what samples elsewhere goes through torch's own kernels, 1D included."""
    with FakeTensorMode(), pytest.raises(DeviceError, match="CPU"):
        cpabx.Cpab((2, 2)).warp(torch.zeros(1, 1, 4, 4, device="cuda"), torch.zeros(1, 20, device="cuda"))
    images, theta = torch.zeros(1, 1, 4, 4, device="meta"), torch.zeros(1, 20, device="meta")
    assert cpabx.Cpab((2, 2)).warp(images, theta, (3, 5)).shape == (1, 1, 3, 5)
    assert cpabx.Affine().warp(images, theta[:, :6], (3, 5)).shape == (1, 1, 3, 5)
    signals, points = torch.zeros(2, 3, 7, device="meta"), torch.zeros(2, 4, 1, device="meta")
    assert sampling.sample(signals, points, LINEAR).shape == (2, 3, 4)


@pytest.mark.filterwarnings("ignore:Dynamo detected a call")
@pytest.mark.parametrize(
    "record", [make_fx, lambda f: lambda *_: torch.compile(f, backend="eager")], ids=["fx", "dynamo"]
)
def test_recorded_graphs_hold_the_call(record):
    """And not the numbers that it happened to give."""
    family = cpabx.Cpab((2, 2))
    first, second = ((torch.rand(2, 1, 5, 5), x * torch.ones(2, 20)) for x in (0.1, 0.4))
    recorded = record(lambda images, theta: family.warp(images, theta))(*first)
    recorded(*first)
    torch.testing.assert_close(recorded(*second), family.warp(*second))


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Cpab((2, 2), domain=(0, 3)), cpabx.Cpab((2, 1, 2))])
def test_the_grid_is_one_for_grid_sample(family, align_corners):
    size, other = (4, 5, 6)[: family.ndim], (3, 7, 5)[: family.ndim]
    images = torch.rand(2, 3, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    theta = family.sample(2, seed=0, scale=0.3, backend="torch", dtype="float64")
    grid = family.grid(theta, other, units="unit", align_corners=align_corners)
    got = torch.nn.functional.grid_sample(images, grid, align_corners=align_corners)
    expected = family.warp(images, theta, other, align_corners=align_corners)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_from_theta_to_images_is_one_node():
    """Of autograd, for each of which a small image pays as much as for its pixels; and not where others watch."""
    family = cpabx.Cpab((2, 2))
    images, theta = torch.rand(1, 1, 5, 5), torch.zeros(1, family.n_params, requires_grad=True)
    warped = family.warp(images, theta)
    assert [(node and type(node).__name__) for node, _ in warped.grad_fn.next_functions[:2]] == [None, "AccumulateGrad"]
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(theta, torch.ones_like(theta))
        assert forward_ad.unpack_dual(family.warp(images, dual)).tangent is not None


@pytest.mark.parametrize("leaf", ["images", "theta", "both"])
def test_gradients_of_warps_by_theta(leaf):
    """Of either alone, and of both, twice: by differences, and to the bit with a graph and without."""
    family = cpabx.Cpab((2, 1), basis="normalized")
    images, theta = draw(2, 1, 4, 5), 0.3 * family.sample(2, seed=1, backend="torch", dtype="float64")
    images.requires_grad_(leaf != "theta")
    theta.requires_grad_(leaf != "images")
    wanted = [x for x in (images, theta) if x.requires_grad]

    def function(*given):
        found = iter(given)
        return family.warp(*(next(found) if x.requires_grad else x for x in (images, theta)), mode="cubic")

    assert gradcheck(function, wanted)
    assert gradgradcheck(function, wanted)
    once = torch.autograd.grad(function(*wanted).square().sum(), wanted)
    twice = torch.autograd.grad(function(*wanted).square().sum(), wanted, create_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_warps_under_autocast_keep_their_precision():
    """Velocities and gradients are products of matrices, which autocast would compute in bfloat16."""
    family = cpabx.Cpab((3, 3))
    images, theta = torch.rand(2, 1, 8, 8), family.sample(2, seed=0, backend="torch").requires_grad_()
    expected = family.warp(images, theta)
    (grad,) = torch.autograd.grad(expected.sum(), theta)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        warped = family.warp(images, theta)
        assert torch.equal(warped, expected)
        assert torch.equal(torch.autograd.grad(warped.sum(), theta)[0], grad)
        with torch.no_grad():
            assert torch.equal(family.warp(images, theta), expected)


@pytest.mark.parametrize("leaves", [("theta",), ("images", "theta")], ids="-".join)
@pytest.mark.parametrize("by", ["theta", "velocity"])
def test_a_tangent_of_a_cotangent_goes_on(leaves, by):
    """It is no tensor of the forward call, which left a tape."""
    family = cpabx.Cpab((2, 1))
    images, theta = draw(2, 1, 4, 5), 0.3 * family.sample(2, seed=1, backend="torch", dtype="float64")
    given = [{"images": images, "theta": theta}[leaf].requires_grad_() for leaf in leaves]
    if by == "theta":
        warped = family.warp(images, theta)
    else:
        velocity = family.velocity(theta)
        warped = get_backend("torch").cpab_warp(images, velocity, family.tessellation, 1.0, (4, 5), Sampling())
    cotangent, tangent = draw(2, 1, 4, 5), draw(2, 1, 4, 5) * 2
    at, along = (torch.autograd.grad(warped, given, x, retain_graph=True) for x in (cotangent, tangent))
    with forward_ad.dual_level():
        grads = torch.autograd.grad(warped, given, forward_ad.make_dual(cotangent, tangent))
        found = [forward_ad.unpack_dual(grad) for grad in grads]
    for (primal, change), *expected in zip(found, at, along, strict=True):
        assert torch.equal(primal, expected[0])
        assert torch.equal(change, expected[1])
