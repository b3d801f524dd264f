"""torch.compile of families and layers: one graph, the numbers of eager mode, and no more compilations than needed."""

import subprocess
import sys

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import cpabx
from backends.torch.tests.models import draw as draw_images
from backends.torch.tests.models import trained
from cpabx.layers import LAYER_NAMES
from cpabx.testing.layers import layers_in
from cpabx_torch import layers

pytestmark = pytest.mark.slow

SIZES = {1: (9,), 2: (7, 6), 3: (4, 5, 3)}
FAMILIES = [
    cpabx.Affine(),
    cpabx.AffineDiffeo(),
    cpabx.Similarity(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Cpab((3, 2)),
    cpabx.Cpab((2, 2), basis="nodal", boundary="sliding", domain=((0, 1), (0, 2))),
    cpabx.Cpab(4),
    cpabx.Cpab((2, 1, 1)),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2))),
]
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f"{type(f).__name__}{f.ndim}D{f.n_params}")


@pytest.fixture(autouse=True)
def fresh():
    """Other tests' graphs count against the limits of the compiler."""
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def draw(family, n=3):
    """Images, points and parameters, none of them special."""
    generator = torch.Generator().manual_seed(n)
    images = torch.rand(n, 2, *SIZES[family.ndim], generator=generator)
    points = torch.rand(n, 5, family.ndim, generator=generator) * 2 - 1
    return images, points, family.sample(n, seed=n, backend="torch")


def compiled(function, backend="aot_eager", **options):
    return torch.compile(function, fullgraph=True, backend=backend, **options)


def agrees(compiled, function, *tensors):
    """Values and gradients; also says whether there is anything to agree on."""
    results = []
    for way in (compiled, function):
        leaves = [tensor.clone().requires_grad_() for tensor in tensors]
        out = way(*leaves)
        results.append((out, *torch.autograd.grad(out.cos().sum(), leaves)))
    for got, expected in zip(*results, strict=True):
        assert got.shape == expected.shape
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    return all(tensor.any() for tensor in results[1])


def test_options_of_warp():
    """Label maps, fill, lengths: one graph as well."""
    family = cpabx.Cpab(4)
    series, _, theta = draw(family)
    labels = (100 * series).long()
    lengths = torch.tensor([2, 5, 1])
    padded = series.clone()
    padded[0, :, 2:] = torch.nan
    for function, given in (
        (lambda i, t: family.warp(i, t, mode="nearest", fill=-1), (labels, theta)),
        (lambda i, t: family.warp(i, t, mode="cubic", padding_mode="wrap"), (series, theta)),
        (lambda i, t: family.warp(i, t, fill=[1.0, 2.0]), (series, theta)),
        (lambda i, t, n: family.warp(i, t, lengths=n, padding_mode="border"), (padded, theta, lengths)),
        (lambda i, t: family.warp(i, t, lengths="nan"), (padded, theta)),
    ):
        got, expected = compiled(function)(*given), function(*given)
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)
    wrong = compiled(lambda i, t, n: family.warp(i, t, lengths=n))(series, theta, torch.tensor([2, 0, 99]))
    assert wrong.isnan().any(-1).any(-1).tolist() == [False, True, True]


@each_family
def test_warp_of_any_batch(family):
    images, _, theta = draw(family)
    once = compiled(family.warp)
    assert agrees(once, family.warp, images, theta)
    for n in (5, 1):
        images, _, theta = draw(family, n)
        assert agrees(once, family.warp, images, theta)
    torch.testing.assert_close(once(images[:0], theta[:0]), images[:0])


@each_family
def test_transform_of_paired_and_shared_points(family):
    _, points, theta = draw(family)
    once = compiled(family.transform)
    assert agrees(once, family.transform, points, theta)
    assert agrees(once, family.transform, points[0], theta)


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.AffineDiffeo(), cpabx.Homography()])
def test_theta_as_matrices(family):
    _, points, theta = draw(family)
    matrices = torch.cat([theta, theta[:, :1]], 1) if family.n_params == 8 else theta
    last_row = torch.tensor([0.0, 0, isinstance(family, cpabx.Affine)]).expand(3, 1, 3)
    matrices = matrices.reshape(3, -1, 3)
    matrices = torch.cat([matrices, last_row], 1) if matrices.shape[1] == 2 else matrices
    assert agrees(compiled(family.transform), family.transform, points, matrices)


def test_derivatives_and_inverse_by_name():
    family = cpabx.Cpab((3, 2))
    _, points, theta = draw(family)
    for name in ("inverse", "velocity_at", "jacobian", "log_det_jacobian"):
        function = getattr(family, name)
        assert agrees(compiled(function), function, points, theta)


@pytest.mark.parametrize("family", [cpabx.Affine(), cpabx.Cpab((2, 2))], ids=["affine", "cpab"])
def test_a_batch_size_compiles_once_and_an_image_size_each(family):
    """Going back to a size that was there before costs nothing."""
    counter = CompileCounterWithBackend("aot_eager")
    once = compiled(family.warp, counter)
    theta = family.sample(8, seed=0, backend="torch")
    counts = []
    for n, height in ((3, 6), (5, 6), (7, 6), (4, 9), (5, 9), (3, 6), (6, 9)):
        images = torch.rand(n, 1, height, 5)
        torch.testing.assert_close(once(images, theta[:n]), family.warp(images, theta[:n]))
        counts.append(counter.frame_count)
    assert counts[1:] == [2, 2, 3, 3, 3, 3]  # the second batch size makes it a dynamic one


def test_a_batch_marked_as_dynamic_compiles_once():
    family = cpabx.Cpab((2, 2))
    counter = CompileCounterWithBackend("aot_eager")
    once = compiled(family.warp, counter)
    for n in (3, 4, 5):
        images, _, theta = draw(family, n)
        for tensor in (images, theta):
            torch._dynamo.mark_dynamic(tensor, 0)
        torch.testing.assert_close(once(images, theta), family.warp(images, theta))
    assert counter.frame_count == 1


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_layers(name):
    layer, images = trained(name), draw_images()
    once = compiled(layer)
    assert agrees(once, layer, images)
    grads = []
    for way in (once, layer):
        layer.zero_grad()
        way(images).square().sum().backward()
        grads.append([parameter.grad.clone() for parameter in layer.parameters()])
    for got, expected in zip(*grads, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("ndim", SIZES)
def test_layers_of_every_dimension_side_by_side(ndim):
    """All that there are, on one input, in one graph."""
    shape = (2, *SIZES[ndim])
    members = [trained(name, input_shape=shape, **arguments) for name, arguments, _ in layers_in(ndim).values()]
    layer = layers.STParallel(members, merge="channels")
    assert agrees(compiled(layer), layer, torch.rand(3, *shape, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("channels", [None, 2])
def test_activation(channels):
    """And its inverse, for any batch."""
    activation = layers.CPABActivation(channels)
    torch.nn.init.normal_(activation.theta, std=0.3)
    for function in (activation, activation.inverse):
        once = compiled(function)
        for n in (3, 5):
            assert agrees(once, function, 4 * draw_images(n) - 2)


def test_inductor(monkeypatch, tmp_path):
    """The default compiler of torch, on a model that holds a layer."""
    # What is kept on disk may call operators as another version of the plugin declared them, which torch does not see.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model = torch.nn.Sequential(trained("STCPAB", localization="fcn"), torch.nn.Flatten())
    assert agrees(torch.compile(model, fullgraph=True), model, draw_images())


def test_in_a_process_that_has_not_used_cpabx_before():
    """Nothing is loaded, found or kept yet when the compiler comes by."""
    program = """
import torch, cpabx
for family in (cpabx.Cpab((2, 2)), cpabx.ThinPlateSpline((3, 3)), cpabx.Homography()):
    theta = torch.zeros(2, family.n_params) + torch.tensor(family.identity_theta(), dtype=torch.float32)
    images = torch.rand(2, 1, 5, 5)
    torch._dynamo.reset()
    warped = torch.compile(family.warp, fullgraph=True, backend="aot_eager")(images, theta)
    torch.testing.assert_close(warped, images)
"""
    subprocess.run([sys.executable, "-W", "error:Dynamo", "-c", program], check=True, timeout=120)


def test_arrays_that_were_dropped_are_made_again():
    """More grids than are kept: the graph must not read another one's."""
    family = cpabx.Affine()
    once, (images, _, theta) = compiled(family.warp), draw(family)
    expected = once(images, theta)
    for width in range(40, 80):
        family.warp(torch.zeros(1, 1, 2, width), theta[:1])
    assert torch.equal(once(images, theta), expected)


@pytest.mark.parametrize("family", [cpabx.Cpab((2, 2)), cpabx.Affine()], ids=["Cpab", "Affine"])
def test_transform_with_all_sizes_dynamic(family):
    """Numbers are symbols then, the time among them, which the compiler cannot ask all questions about."""
    compiled = torch.compile(lambda x, t: family.transform(x, t), dynamic=True, fullgraph=True, backend="aot_eager")
    for n, p in ((2, 5), (3, 7), (4, 11)):
        theta, points = family.sample(n, seed=0, backend="torch").requires_grad_(), torch.rand(n, p, 2)
        moved = compiled(points, theta)
        torch.testing.assert_close(moved, family.transform(points, theta), rtol=0, atol=1e-6)
        moved.sum().backward()
        assert theta.grad.isfinite().all()


@pytest.mark.parametrize("output_size", [None, (6, 5)], ids=["same", "fixed"])
@pytest.mark.parametrize("name", ["STAffine", "STCPAB"])
def test_layers_with_all_sizes_dynamic(name, output_size):
    """A new size of the output is a new graph; a new batch is not."""
    features = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.AdaptiveAvgPool2d(1))
    options = {"localization": features, "input_shape": (1, 8, 8), "output_size": output_size, "backend": "torch"}
    layer = getattr(cpabx.layers, name)(**options)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    graphs = []

    def backend(graph, _):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(layer, dynamic=True, fullgraph=True, backend=backend)
    counts = []
    for shape in ((2, 1, 8, 8), (3, 1, 8, 8), (5, 1, 8, 8), (3, 1, 9, 7), (4, 1, 9, 7)):
        images = torch.rand(shape)
        torch.testing.assert_close(compiled(images), layer(images), rtol=0, atol=1e-6)
        counts.append(len(graphs))
    assert counts[0] == counts[2]
    assert counts[3] == counts[4]
