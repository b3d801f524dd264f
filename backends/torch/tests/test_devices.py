"""Tensors on a CUDA device, or without one: the code for devices, in the memory of the CPU. See tested_device.py."""

import contextlib
import gc
import shutil
import subprocess
import threading
import types

import numpy as np
import pytest
import torch
from torch import nn

import cpabx
from backends.torch.tests import tested_device
from cpabx import native
from cpabx.errors import DeviceError, DivergenceError, NativeLibraryError, OptionError, RangeError, UnsupportedError
from cpabx.native.library import open_cuda
from cpabx_torch import devices, exponential

cpabx.get_backend("torch")


@pytest.fixture
def device(monkeypatch):
    return tested_device.of_test(monkeypatch)


def both(device, compute, *inputs):
    """Results on the CPU, and on the device, which has had something to do."""
    there = compute(*inputs)
    with device.in_use() as used:
        here = compute(*map(device.put, inputs))
    assert used.calls
    return there, here


def assert_alike(there, here, tolerance):
    assert len(there) == len(here)
    for a, b in zip(there, (x.cpu() for x in here), strict=True):
        assert torch.allclose(a, b, rtol=tolerance, atol=tolerance), float((a - b).abs().max())


CELLS = [(5,), (3, 2), (2, 2, 2)]


@pytest.mark.parametrize("cells", CELLS, ids=str)
@pytest.mark.parametrize("basis", ["orthonormal", "nodal"])
def test_numbers_are_those_of_the_cpu(device, cells, basis):
    """Points, velocities, Jacobians and warps, with first and second derivatives."""
    family = cpabx.Cpab(cells, basis=basis)
    n, generator = family.ndim, torch.Generator().manual_seed(1)
    theta = family.sample(2, seed=0, backend="torch", dtype="float64").requires_grad_()
    points = (torch.rand(9, n, dtype=torch.float64, generator=generator) * 2.2 - 1.1).requires_grad_()
    images = torch.rand(2, 2, *[5] * n, dtype=torch.float64, generator=generator).requires_grad_()

    def compute(points, images, theta):
        results = []
        for function, given in ((family.transform, points), (family.warp, images)):
            out = function(given, theta)
            grads = torch.autograd.grad(out.sin().sum(), (given, theta), create_graph=True)
            results += [out, *grads, *torch.autograd.grad(sum(g.square().sum() for g in grads), (given, theta))]
        matrices, log_det = family.jacobian(points, theta), family.log_det_jacobian(points, theta)
        speed = family.velocity_at(points, theta)
        for result in (matrices, log_det, speed):
            results += [result, *torch.autograd.grad(result.sin().sum(), (points, theta), allow_unused=True)]
        return [x for x in results if x is not None]

    assert_alike(*both(device, compute, points, images, theta), 1e-9)


def test_forward_mode_and_vmap(device):
    family, generator = cpabx.Cpab((3, 2)), torch.Generator().manual_seed(2)
    theta = family.sample(3, seed=0, backend="torch", dtype="float64")
    points = torch.rand(3, 7, 2, dtype=torch.float64, generator=generator)

    def compute(points, theta):
        tangent = torch.func.jvp(lambda t: family.transform(points, t), (theta,), (theta.cos(),))[1]
        each = torch.func.vmap(lambda p, t: family.transform(p, t[None])[0])(points, theta)
        rows = torch.func.jacrev(lambda t: family.transform(points[:1], t))(theta[:1])
        return [tangent, each, rows]

    assert_alike(*both(device, compute, points, theta), 1e-10)


@pytest.mark.parametrize("mode", ["linear", "nearest", "cubic"])
@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection", "wrap"])
def test_sampling_reads_no_value_back(device, mode, padding_mode):
    """Not even to learn whether all points are finite."""
    generator = torch.Generator().manual_seed(3)
    images = torch.rand(2, 3, 6, 5, generator=generator).requires_grad_()
    theta = (torch.eye(2, 3)[None] * 1.3).expand(2, -1, -1).flatten(1)

    def compute(images, theta):
        out = cpabx.Affine().warp(images, theta, mode=mode, padding_mode=padding_mode)
        return [out, *torch.autograd.grad(out.sin().sum(), images)]

    there = compute(images, theta)
    with device.in_use():
        inputs = device.put(images), device.put(theta)
        compute(*inputs)  # makes what is kept
        with _no_values(device):
            here = compute(*inputs)
    assert_alike(there, here, 1e-4)


@contextlib.contextmanager
def _no_values(device=None):
    """What would wait for a device, or copy to it what is known here, is an error."""

    def refused(*_, **__):
        raise AssertionError("a value was read from the device, or copied to it")

    with pytest.MonkeyPatch.context() as patch, device.no_waits() if device else contextlib.nullcontext():
        for name in ("item", "tolist", "numpy", "new_tensor", "__bool__", "__float__", "__int__"):
            patch.setattr(torch.Tensor, name, refused)
        for name in ("tensor", "as_tensor", "from_numpy"):
            patch.setattr(torch, name, refused)
        yield


def a_network():
    """That of the README."""
    torch.manual_seed(0)
    flow = cpabx.Cpab((4, 4))
    with cpabx.use_backend("torch"):
        layer = cpabx.layers.STCPAB(flow, input_shape=(1, 42, 42))
    return nn.Sequential(layer, nn.Flatten(), nn.Linear(42 * 42, 10))


def test_training_the_network_of_the_readme(device):
    """Three steps, of which the second and third move away from the identity."""
    generator = torch.Generator().manual_seed(5)
    images, labels = torch.rand(6, 1, 42, 42, generator=generator), torch.arange(6)

    def compute(images, labels):
        model = a_network().to(images.device)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
        losses = []
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return [*losses, *(p.detach().clone() for p in model.parameters())]

    assert_alike(*both(device, compute, images, labels), 1e-5)


def test_a_step_of_training_reads_no_value_back(device):
    """Nor copies any to the device: what a CUDA graph could not capture. The first step makes what is kept."""
    model, images = a_network().to(device.place), device.put(torch.rand(2, 1, 42, 42))
    with device.in_use():
        for _ in range(1 + 2 * device.real):  # torch's own libraries want more
            model(images).sum().backward()
        device.finish()
        with device.capturing(), _no_values(device):
            model(images).sum().backward()


WARM = [
    cpabx.Affine(),
    cpabx.Similarity(),
    cpabx.Homography(),
    cpabx.ThinPlateSpline((3, 3)),
    cpabx.Cpab((2, 2), basis="nodal", boundary="sliding"),
    cpabx.Cpab((2, 2), domain=(0, 2)),
    cpabx.Composition(cpabx.Affine(), cpabx.Cpab((2, 2), volume_preserving=True)),
]


@pytest.mark.parametrize("family", WARM, ids=lambda family: type(family).__name__)
@pytest.mark.parametrize("options", [{}, {"mode": "cubic", "fill": 0.5}], ids=str)
def test_the_second_call_copies_nothing(device, family, options):
    """What is computed once is on the device by then."""
    images = device.put(torch.rand(2, 1, 6, 5))
    theta = device.put(family.sample(2, seed=0, backend="torch").requires_grad_())
    with device.in_use():
        family.warp(images, theta, **options).sum().backward()
        with _no_values(device):
            family.warp(images, theta, **options).sum().backward()


def test_compiled(device):
    """The operator that compilers see, in one graph."""
    family, generator = cpabx.Cpab((3, 2)), torch.Generator().manual_seed(4)
    theta = family.sample(2, seed=0, backend="torch").requires_grad_()
    images = torch.rand(2, 1, 6, 5, generator=generator)

    def compute(images, theta):
        torch.compiler.reset()
        warped = torch.compile(family.warp, fullgraph=True, backend="aot_eager")(images, theta)
        return [warped, *torch.autograd.grad(warped.sin().sum(), theta)]

    assert_alike(*both(device, compute, images, theta), 1e-5)


def test_deterministic_gradients_take_scratch(device):
    """Sums of whole numbers, of 8 bytes for each pixel."""
    images, family = device.put(torch.rand(1, 1, 8, 8, requires_grad=True)), cpabx.Affine()
    theta = device.put(family.identity(1, backend="torch") * 0.9)
    sizes, grads = [], []
    with device.in_use() as used:
        for wanted in (False, True):
            torch.use_deterministic_algorithms(wanted)
            try:
                used.calls.clear()
                warped = family.warp(images, theta)
                grads.append(torch.autograd.grad(warped.square().sum(), images)[0])
                sizes.append(sum(used.calls))
            finally:
                torch.use_deterministic_algorithms(False)
    assert sizes[0] == 0
    assert sizes[1] >= 8 * images.numel()
    assert torch.allclose(*grads, atol=1e-6)


def test_tables_die_with_their_tessellation(device):
    points = device.put(torch.zeros(1, 2))
    with device.in_use() as used:
        families = [cpabx.Cpab((7, n)) for n in (1, 2)]
        for family in (*families, cpabx.Cpab((7, 1))):  # an equal one shares them
            theta = device.put(family.identity(1, backend="torch"))
            family.transform(points, theta)
            family.transform(points.double(), theta.double())
        assert [sorted(kept) for kept in used._tables.values()] == [[4, 8]] * 2
        del family
        for left in (1, 0):
            families.pop()
            gc.collect()
            assert len(used._tables) == left


def test_clearing_caches_leaves_what_a_graph_reads(device):
    family, points = cpabx.Cpab((6, 1)), device.put(torch.zeros(1, 2))
    theta = device.put(family.sample(1, seed=0, backend="torch"))
    with device.in_use() as used:
        moved = family.transform(points, theta)
        with device.capturing():
            family.transform(points, theta)
        (kept,) = next(iter(used._tables.values())).values()
        cpabx.clear_caches()
        assert len(used._tables) == 0
        assert id(kept.tensor) in devices._captured
        assert torch.equal(family.transform(points, theta), moved)


def test_what_is_not_there_cannot_be_captured(device):
    family = cpabx.Cpab((5, 1))
    points, theta = device.put(torch.zeros(1, 2)), device.put(family.identity(1, backend="torch"))
    refused = pytest.raises(UnsupportedError, match="captured of what has run before")
    with device.in_use(), device.capturing(), refused:
        family.transform(points, theta)


# -- errors ----------------------------------------------------------------------------------------

FAMILY = cpabx.Cpab((2, 2))


@pytest.fixture
def points(device):
    return device.put(torch.zeros(4, 2))


@pytest.fixture
def fine(device):
    return device.put(torch.zeros(1, FAMILY.n_params))


@pytest.fixture
def too_large(device):
    """Three fields, of which the second is."""
    return device.put(torch.zeros(3, FAMILY.n_params).index_fill_(0, torch.tensor(1), 1e6))


def test_an_earlier_call_is_meant(device, points, fine, too_large):
    with device.in_use():
        moved = FAMILY.transform(points, too_large)
        assert moved[1].isnan().all()
        assert moved[[0, 2]].isfinite().all()
        with pytest.raises(RangeError, match=rf"batch item 1 of an earlier call, on {device.place}.*CPABX_CHECK=now"):
            FAMILY.transform(points, fine)
        FAMILY.transform(points, fine)  # it is told once
        FAMILY.transform(points, too_large)
        device.finish()
        with pytest.raises(RangeError, match="item 1 of an earlier call"):
            cpabx.check_device_errors()
        cpabx.check_device_errors()


def test_a_divergence(device):
    """A field that doubles distances each time it is passed, until they overflow."""
    points = torch.tensor([[1e38, 1e38]])
    theta = 40 * FAMILY.sample(2, seed=0, backend="torch")
    with pytest.raises(DivergenceError, match="batch item 0"):
        FAMILY.transform(points, theta)
    points, theta = device.put(points), device.put(theta)
    with device.in_use():
        FAMILY.transform(points, theta)
        device.finish()
        with pytest.raises(DivergenceError, match="batch item 0 of an earlier call"):
            cpabx.check_device_errors()


def test_backward_may_be_what_tells(device, points, too_large):
    theta = too_large.requires_grad_()
    with device.in_use():
        moved = FAMILY.transform(points, theta)
        device.finish()
        with pytest.raises(RangeError, match="earlier call"):
            moved.sum().backward()


def test_each_call_can_be_waited_for(device, points, fine, too_large, monkeypatch):
    monkeypatch.setenv("CPABX_CHECK", "now")
    with device.in_use() as used:
        FAMILY.transform(points, fine)
        assert device.real or used._cuda.one_stream.waits == 1
        with pytest.raises(RangeError) as there:
            FAMILY.transform(points, too_large)
        assert "earlier" not in str(there.value)
        cpabx.check_device_errors()
    with pytest.raises(RangeError) as here:
        FAMILY.transform(points.cpu(), too_large.cpu())
    assert str(here.value) == str(there.value)


def test_nothing_waits_by_default(device, fine, monkeypatch):
    monkeypatch.delenv("CPABX_CHECK", raising=False)
    images = device.put(torch.rand(1, 1, 4, 4))
    with device.in_use() as used:
        FAMILY.warp(images, fine)
        with device.no_waits():
            FAMILY.warp(images, fine)
        assert device.real or used._cuda.one_stream.waits == 0


@pytest.mark.parametrize("mode", ["deferred", "now"])
def test_a_captured_graph_is_not_looked_at(device, points, fine, too_large, monkeypatch, mode):
    """But what it finds when it is replayed is told."""
    monkeypatch.setenv("CPABX_CHECK", mode)
    with device.in_use() as used:
        FAMILY.transform(points, fine)
        if not device.real:
            used._cuda.one_stream.waits = 0
        with device.capturing() as graph:
            FAMILY.transform(points, too_large)
            FAMILY.transform(points, fine)
            cpabx.check_device_errors()
        assert device.real or used._cuda.one_stream.waits == 0
        device.replay(graph)
        with pytest.raises(RangeError, match="earlier call"):
            cpabx.check_device_errors()


def test_unknown_checks(device, points, fine, monkeypatch):
    monkeypatch.setenv("CPABX_CHECK", "sometimes")
    with device.in_use(), pytest.raises(OptionError, match="CPABX_CHECK must be deferred or now; got 'sometimes'"):
        FAMILY.transform(points, fine)


def test_two_threads_of_one_device(device):
    """Each call has scratch of its own."""
    family = cpabx.Cpab((3, 3))
    theta = family.sample(3, seed=0, backend="torch", dtype="float64")
    points = torch.rand(3, 50, 2, dtype=torch.float64)
    expected = family.transform(points, theta)
    points, theta = device.put(points), device.put(theta)
    with device.in_use():
        family.transform(points, theta)
        results = [None] * 4

        def work(i):
            results[i] = family.transform(points, theta)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_alike([expected] * 4, results, 1e-12)


# -- the library -----------------------------------------------------------------------------------


def test_without_the_library(tmp_path, monkeypatch):
    """What the user of a tensor on a GPU sees."""
    monkeypatch.setattr(native.library, "load_cuda", native.load_cuda.__wrapped__)
    monkeypatch.setattr(native.library, "_CUDA_FILE_NAME", "libcpab_cuda_that_is_not_there.so")
    tensor = types.SimpleNamespace(device=torch.device("cuda", 0))
    with pytest.raises(DeviceError, match="CUDA devices need libcpab_cuda") as caught:
        devices.device_of(tensor)
    assert "tensors on cuda:0" in caught.value.received
    assert "CPAB_CUDA=ON" in caught.value.remedy
    assert "Move" in caught.value.remedy or "move points and theta to the CPU" in caught.value.remedy
    assert isinstance(caught.value.__cause__, NativeLibraryError)


SOURCE = """
#include "cpab.h"
cpab_status cpab_library_describe(cpab_library *library) {
    library->abi_version = %s;
    library->device = CPAB_CPU;
    return CPAB_OK;
}
"""


@pytest.mark.parametrize(("abi", "says"), [("999", "version 999"), ("CPAB_ABI_VERSION", "for device 0")])
def test_a_library_that_is_another(tmp_path, abi, says):
    compiler, loaded = shutil.which("cc"), native.load()
    if compiler is None or loaded.path.suffix != ".so":
        pytest.skip("needs a C compiler called cc")
    (tmp_path / "stub.c").write_text(SOURCE % abi)
    command = [compiler, "-shared", "-fPIC", "-I", str(loaded.path.parent), "-o", str(tmp_path / "libother.so")]
    subprocess.run([*command, str(tmp_path / "stub.c")], check=True)
    with pytest.raises(NativeLibraryError) as caught:
        open_cuda(tmp_path / "libother.so")
    assert says in caught.value.received


def test_a_file_that_is_no_library(tmp_path):
    (tmp_path / "libother.so").write_text("not a library")
    with pytest.raises(NativeLibraryError, match="must load"):
        open_cuda(tmp_path / "libother.so")


# -- operators of torch ----------------------------------------------------------------------------


def test_operators_are_there_for_cuda():
    """With the same implementation, and fake results on the device of their inputs."""
    for name in native.functions.__dict__:
        if isinstance(getattr(native.functions, name), native.functions.Function):
            assert torch._C._dispatch_has_kernel_for_dispatch_key(f"cpabx::{name}", "CUDA"), name
    with torch._subclasses.FakeTensorMode():
        points, velocity = torch.empty(5, 4, 2, device="cuda"), torch.empty(5, 13, 2, device="cuda")
        moved = torch.ops.cpabx.transform(points, velocity, [2, 2], [-1.0, 1.0, -1.0, 1.0], "linear", 1.0)
    assert moved.device.type == "cuda"
    assert moved.shape == (5, 4, 2)


def test_two_devices_in_one_operator():
    here, there = torch.zeros(1), torch.zeros(1, device="meta")
    with pytest.raises(DeviceError, match="cpu and meta"):
        devices.check_one_device(here, None, there)
    devices.check_one_device(here, None, here)


# -- exponentials ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [0.0, 1e-6, 0.3, 1.0, 4.0, 12.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exponentials_without_a_wait(scale, dtype):
    """Torch's are the oracle. The condition number of expm is about the norm."""
    generator = torch.Generator().manual_seed(0)
    matrices = scale * torch.randn(50, 4, 4, dtype=torch.float64, generator=generator)
    expected = torch.linalg.matrix_exp(matrices)
    with _no_values():
        got = exponential.expm(matrices.to(dtype))
    size = expected.abs().amax((-1, -2)) * (1 + matrices.abs().sum(-1).amax(-1))
    error = (got.double() - expected).abs().amax((-1, -2)) / size
    assert float(error.max()) < 20 * torch.finfo(dtype).eps


def test_derivatives_of_exponentials():
    matrices = torch.tensor([0.0, 0.1, 2.0, 9.0], dtype=torch.float64)[:, None, None] * torch.linspace(
        -1, 1, 9, dtype=torch.float64
    ).reshape(3, 3)
    assert torch.autograd.gradcheck(exponential.expm, matrices.requires_grad_())
    assert torch.autograd.gradgradcheck(exponential.expm, matrices)


def test_exponentials_of_what_overflows():
    """One matrix does not spoil another, nor its gradient."""
    matrices = torch.stack([torch.eye(2) * x for x in (1.0, 80.0, 200.0, float("nan"), float("inf"), 1e30)])
    matrices.requires_grad_()
    results = exponential.expm(matrices)
    assert torch.allclose(results[0], torch.eye(2) * np.e)
    assert results[1].isfinite().all()
    assert not results[2:].isfinite().all((-1, -2)).any()
    (grad,) = torch.autograd.grad(results[:2].sum(), matrices)
    assert grad[:2].isfinite().all()


def test_exponentials_of_large_turns():
    angle = torch.tensor([1e3, 1e4], dtype=torch.float64)
    zero = torch.zeros_like(angle)
    turns = torch.stack([torch.stack([zero, -angle], -1), torch.stack([angle, zero], -1)], -2)
    assert torch.allclose(exponential.expm(turns)[:, 1, 0], angle.sin(), atol=1e-9)
