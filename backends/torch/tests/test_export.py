"""torch.export: one program for any batch, saved, also compiled, and run in a process that has no layer."""

import subprocess
import sys

import pytest
import torch

import cpabx
from backends.torch.tests.models import SHAPE, draw, trained
from cpabx.layers import LAYER_NAMES
from cpabx.testing.layers import LAYERS, layers_in
from cpabx_torch.layers import CPABActivation, STParallel

pytestmark = pytest.mark.slow

#: All that the other process needs: the operators are registered when the backend is loaded.
SERVE = """
import sys, torch, cpabx
cpabx.get_backend("torch")
for name in sys.argv[2:]:
    program = torch.export.load(f"{sys.argv[1]}/{name}.pt2").module()
    images = torch.load(f"{sys.argv[1]}/{name}.images.pt")
    torch.save([program(batch) for batch in images], f"{sys.argv[1]}/{name}.pt")
assert "cpabx_torch.layers" not in sys.modules
"""

#: The same of a package of AOTInductor; as long as nothing has registered the operators, torch says what is missing.
SERVE_PACKAGE = """
import sys, torch
try:
    torch._inductor.aoti_load_package(sys.argv[1])
except RuntimeError as error:
    assert "Could not find schema for cpabx::" in str(error), error
import cpabx
cpabx.get_backend("torch")
program = torch._inductor.aoti_load_package(sys.argv[1])
torch.save([program(batch) for batch in torch.load(sys.argv[2])], sys.argv[3])
assert "cpabx_torch.layers" not in sys.modules
"""


def exported(model, images):
    return torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("n")},))


def batches_of(shape):
    return [torch.rand(n, *shape, generator=torch.Generator().manual_seed(n)) for n in (1, 2, 5)]


def served():
    """Models of every kind and dimension, by name, and the shape of one image."""
    for name in LAYER_NAMES:
        yield name, torch.nn.Sequential(trained(name), torch.nn.Flatten(), torch.nn.Linear(240, 3)), SHAPE
    for shape in ((2, 9), (2, 4, 5, 3)):
        layers = layers_in(len(shape) - 1)
        members = [trained(one.name, input_shape=shape, **one.arguments) for one in layers.values()]
        yield f"STParallel-{len(shape) - 1}D", STParallel(members, merge="channels"), shape
    yield "STParallel-list", STParallel([trained("STCPAB"), trained("STAffine", output_size=(5, 4))]), SHAPE
    activation = CPABActivation(SHAPE[0])
    torch.nn.init.normal_(activation.theta, std=0.3)
    yield "CPABActivation", activation, SHAPE


def test_saved_programs_run_in_another_process(tmp_path):
    models = {name: (model, batches_of(shape)) for name, model, shape in served()}
    for name, (model, batches) in models.items():
        torch.save(batches, tmp_path / f"{name}.images.pt")
        torch.export.save(exported(model, torch.cat(batches)), tmp_path / f"{name}.pt2")
    subprocess.run([sys.executable, "-c", SERVE, str(tmp_path), *models], check=True, timeout=240)
    for name, (model, batches) in models.items():
        for got, images in zip(torch.load(tmp_path / f"{name}.pt"), batches, strict=True):
            torch.testing.assert_close(got, model(images), rtol=1e-5, atol=1e-6)


def test_a_compiled_package_runs_in_another_process(tmp_path):
    """Of AOTInductor, for any batch: it needs the operators of the plugin, and nothing else of it."""
    features = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten())
    activation = CPABActivation()
    torch.nn.init.normal_(activation.theta, std=0.3)
    model = torch.nn.Sequential(activation, trained("STCPAB", cells=(2, 2), localization=features)).eval()
    package, images, results = (str(tmp_path / name) for name in ("model.pt2", "images.pt", "results.pt"))
    batches = batches_of(SHAPE)
    torch.save(batches, images)
    with torch.no_grad():
        program = exported(model, torch.cat(batches))
        quick = {"aot_inductor.compile_wrapper_opt_level": "O0"}  # g++ is what takes time here
        torch._inductor.aoti_compile_and_package(program, package_path=package, inductor_configs=quick)
    command = [sys.executable, "-c", SERVE_PACKAGE, package, images, results]
    subprocess.run(command, check=True, timeout=240)
    for got, batch in zip(torch.load(results), batches, strict=True):
        torch.testing.assert_close(got, model(batch), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["STHomography", "STCPAB"])
def test_a_program_is_differentiable(name):
    """It can be trained further."""
    layer, images = trained(name), draw(4)
    program = exported(layer, images).module()
    grads = []
    for model in (layer, program):
        model(images).square().sum().backward()
        grads.append({key: parameter.grad for key, parameter in model.named_parameters()})
    assert grads[0].keys() == grads[1].keys()
    for key, grad in grads[0].items():
        torch.testing.assert_close(grads[1][key], grad, rtol=1e-5, atol=1e-6)


def test_a_program_holds_constants_in_its_own_precision():
    program = exported(trained("STCPAB"), draw())
    assert program.constants
    assert {tensor.dtype for tensor in program.constants.values()} == {torch.float32}


@pytest.mark.parametrize("family", [cpabx.Cpab((2, 2)), cpabx.Affine()], ids=["cpab", "affine"])
def test_points_of_any_number(family):
    class Model(torch.nn.Module):
        def forward(self, points, theta):
            return family.transform(points, theta)

    def arguments(n, p):
        return torch.rand(n, p, 2), family.sample(n, seed=n, backend="torch")

    n, p = torch.export.Dim("n"), torch.export.Dim("p")
    program = torch.export.export(Model(), arguments(3, 7), dynamic_shapes=({0: n, 1: p}, {0: n})).module()
    for sizes in ((2, 5), (4, 30)):
        given = arguments(*sizes)
        torch.testing.assert_close(program(*given), family.transform(*given))


def pooling(ndim):
    """Features of images of any size."""
    convolution = {1: torch.nn.Conv1d, 2: torch.nn.Conv2d, 3: torch.nn.Conv3d}[ndim]
    pool = {1: torch.nn.AdaptiveAvgPool1d, 2: torch.nn.AdaptiveAvgPool2d, 3: torch.nn.AdaptiveAvgPool3d}[ndim]
    return torch.nn.Sequential(convolution(2, 4, 3, padding=1), torch.nn.ReLU(), pool(1))


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
@pytest.mark.parametrize("resized", [False, True])
def test_a_program_takes_images_of_any_size(layer, resized):
    """One for all heights and widths; without output_size the result follows them. Its gradients, too."""
    ndim, size = layer.family.ndim, (8, 9, 7)
    networks = [pooling(ndim), pooling(ndim)] if layer.name == "STAffineCPAB" else pooling(ndim)
    options = {"input_shape": (2, *size[:ndim]), "output_size": (4, 5, 6)[:ndim] if resized else None}
    module = trained(layer.name, localization=networks, **options, **layer.arguments)
    axes = {0: torch.export.Dim("n"), **{2 + k: torch.export.Dim(f"size{k}") for k in range(ndim)}}
    program = torch.export.export(module, (torch.rand(3, 2, *size[:ndim]),), dynamic_shapes={"images": axes}).module()
    for size in ((8, 9, 7), (5, 12, 3)):
        results = []
        for model in (program, module):
            images = torch.rand(2, 2, *size[:ndim], generator=torch.Generator().manual_seed(0)).requires_grad_()
            model.zero_grad()
            out = model(images)
            out.cos().sum().backward()
            results.append((out, images.grad))
        for got, expected in zip(*results, strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("used", [False, True], ids=["fresh", "used"])
@pytest.mark.parametrize("name", ["STAffine", "STAffineDiffeo", "STThinPlateSpline", "STCPAB", "STAffineCPAB"])
def test_jit_trace_is_refused(name, used):
    """It froze the size of the images if a call came before, and failed in a comparison of graphs if not."""
    layer, images = getattr(cpabx.layers, name)(input_shape=(1, 8, 8), backend="torch").eval(), torch.rand(2, 1, 8, 8)
    if used:
        layer(images)
    with pytest.raises(cpabx.errors.UnsupportedError, match=r"torch\.export"):
        torch.jit.trace(layer, images)
    assert layer(images).shape == images.shape


def test_jit_trace_of_functions_is_refused():
    family = cpabx.Cpab((2, 2))
    points, theta = torch.rand(5, 2), torch.zeros(3, family.n_params)
    for function in (family.transform, family.velocity_at, family.jacobian, family.log_det_jacobian):
        with pytest.raises(cpabx.errors.UnsupportedError, match=r"torch\.export"):
            torch.jit.trace(function, (points, theta))


@pytest.mark.parametrize("name", ["STAffine", "STCPAB"])
def test_strict_export_is_refused(name):
    """Its programs would return tensors without values."""
    layer = getattr(cpabx.layers, name)(input_shape=(1, 8, 8), backend="torch").eval()
    with pytest.raises(cpabx.errors.UnsupportedError, match="strict=False"):
        torch.export.export(layer, (torch.rand(2, 1, 8, 8),), strict=True)
