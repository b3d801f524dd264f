"""What only a GPU can show of the plugin: graphs that are replayed, streams, its memory, pinned words, two devices.

Without CPABX_TEST_DEVICE=cuda most of it is skipped, and what has a meaning without one runs on the double.
"""

import contextlib
import importlib.util
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import cpabx
from backends.torch.tests import tested_device
from cpabx.errors import RangeError
from cpabx_torch import devices

cpabx.get_backend("torch")

CELLS = [(5,), (3, 2), (2, 2, 2)]


@pytest.fixture
def device(monkeypatch):
    """Either device."""
    return tested_device.of_test(monkeypatch)


@pytest.fixture
def gpu(monkeypatch):
    """A real one, in use."""
    tested_device.need_cuda()
    chosen = tested_device.of_test(monkeypatch)
    with chosen.in_use() as chosen.used:
        yield chosen


def drawn(device, *shape, seed=0, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    return device.put(torch.rand(shape, dtype=dtype, generator=generator) * 2 - 1)


def parameters(device, family, n, dtype="float32"):
    return device.put(family.sample(n, seed=0, backend="torch", dtype=dtype))


def equal_bits(results, others):
    return all(torch.equal(a, b) for a, b in zip(results, others, strict=True))


def step_of(model, images, labels):
    """Loss and gradients of a step."""
    loss = nn.functional.cross_entropy(model(images), labels)
    return [loss, *torch.autograd.grad(loss, list(model.parameters()))]


def a_network(device):
    torch.manual_seed(0)
    with cpabx.use_backend("torch"):
        layer = cpabx.layers.STCPAB(cpabx.Cpab((4, 4)), input_shape=(1, 28, 28))
    model = nn.Sequential(layer, nn.Flatten(), nn.Linear(28 * 28, 10)).to(device.place)
    with torch.no_grad():  # away from the identity, where trajectories stay in their cells
        for parameter in model.parameters():
            parameter.add_(0.02 * drawn(device, *parameter.shape, seed=parameter.numel()))
    return model


def some_digits(device, n=8):
    return drawn(device, n, 1, 28, 28, seed=1), device.put(torch.arange(n) % 10)


# -- on either device --------------------------------------------------------------------------------


@pytest.mark.parametrize("cells", CELLS, ids=str)
def test_gradcheck(device, cells):
    """First and second derivatives against differences. Gradients of images are sums in any order."""
    family = cpabx.Cpab(cells)
    theta = parameters(device, family, 2, "float64").requires_grad_()
    points = drawn(device, 2, 3, family.ndim, dtype=torch.float64).requires_grad_()
    images = drawn(device, 2, 1, *[4] * family.ndim, dtype=torch.float64).requires_grad_()
    with device.in_use():
        assert torch.autograd.gradcheck(family.transform, (points, theta), fast_mode=True)
        assert torch.autograd.gradgradcheck(family.transform, (points, theta), fast_mode=True)
        assert torch.autograd.gradcheck(family.warp, (images, theta), fast_mode=True, nondet_tol=1e-12)


@pytest.mark.parametrize("cells", CELLS[1:], ids=str)
def test_operators_keep_torchs_rules(device, cells):
    """Schemas, fake results, and traces of gradients."""
    family = cpabx.Cpab(cells)
    velocity = device.put(family.velocity(family.sample(2, seed=0, backend="torch"))).requires_grad_()
    points = drawn(device, 2, 5, family.ndim).requires_grad_()
    domain = [edge for axis in family.domain for edge in axis]
    flow = (list(cells), [float(edge) for edge in domain], "linear", 1.0)
    with device.in_use():
        torch.library.opcheck(torch.ops.cpabx.transform.default, (points, velocity, *flow))
        grad_out = torch.ones_like(points)
        given = (points.detach(), velocity.detach(), grad_out, True, True, *flow)
        torch.library.opcheck(torch.ops.cpabx.transform_vjp.default, given)


@pytest.mark.parametrize("cells", CELLS, ids=str)
def test_gradients_have_the_same_bits_every_time(device, cells):
    """Also those of images, where torch is told so."""
    family = cpabx.Cpab(cells)
    side = {1: 2000, 2: 60, 3: 16}[family.ndim] if device.real else 5
    theta = parameters(device, family, 3).requires_grad_()
    images = drawn(device, 3, 2, *[side] * family.ndim).requires_grad_()
    with device.in_use():
        results = []
        torch.use_deterministic_algorithms(True)
        try:
            for _ in range(3):
                warped = family.warp(images, theta)
                results.append([warped, *torch.autograd.grad(warped.square().sum(), (images, theta))])
        finally:
            torch.use_deterministic_algorithms(False)
    assert equal_bits(results[0], results[1])
    assert equal_bits(results[0], results[2])


def test_the_first_item_that_failed_is_told(device):
    """Two did, of many blocks."""
    family = cpabx.Cpab((2, 2))
    theta = torch.zeros(40, family.n_params)
    theta[[7, 31]] = 1e6
    points, theta = drawn(device, 300, 2), device.put(theta)
    with device.in_use():
        family.transform(points, theta)
        device.finish()
        with pytest.raises(RangeError, match="batch item 7 of an earlier call"):
            cpabx.check_device_errors()


def test_a_default_device_changes_nothing(device):
    """Many programs say where tensors without a device are to be."""
    family = cpabx.Cpab((3, 2))
    theta, points = parameters(device, family, 2).requires_grad_(), drawn(device, 50, 2)
    with device.in_use():
        expected = torch.autograd.grad(family.transform(points, theta).sum(), theta)
    torch.set_default_device(device.place)
    try:
        with device.in_use():
            got = torch.autograd.grad(family.transform(points, theta).sum(), theta)
    finally:
        torch.set_default_device(None)
    assert equal_bits(got, expected)


def test_autocast(device):
    """What is half is computed in float32."""
    family = cpabx.Cpab((4, 4))
    theta, points = parameters(device, family, 2).bfloat16(), drawn(device, 2, 100, 2).bfloat16()
    with device.in_use():
        with torch.autocast(device.place.type, torch.bfloat16):
            moved = family.transform(points, theta)
        assert moved.dtype == torch.float32
        assert torch.equal(moved, family.transform(points.float(), theta.float()))


# -- graphs ------------------------------------------------------------------------------------------


def test_a_graph_of_a_step_replayed_a_thousand_times(gpu):
    """Each time with the same bits, which are those of calls without a graph; and it follows its inputs."""
    model, (images, labels) = a_network(gpu), some_digits(gpu)
    torch.use_deterministic_algorithms(True)
    try:
        with _beside():
            for _ in range(3):
                step_of(model, images, labels)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            results = step_of(model, images, labels)
        expected = step_of(model, images, labels)
        differing = torch.zeros((), dtype=torch.int64, device=gpu.place)
        for _ in range(1000):
            graph.replay()
            for got, wanted in zip(results, expected, strict=True):
                differing += (got != wanted).sum()
        assert int(differing) == 0
        images.mul_(-0.5)
        graph.replay()
        followed = [result.clone() for result in results]
        assert equal_bits(followed, step_of(model, images, labels))
        assert not equal_bits(followed, expected)
    finally:
        torch.use_deterministic_algorithms(False)
    cpabx.check_device_errors()


@contextlib.contextmanager
def _beside():
    """A stream beside the current one, as torch asks for before a graph is captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        yield stream
    torch.cuda.current_stream().wait_stream(stream)


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_by_inductor(gpu, mode):
    """With reduce-overhead, torch captures graphs by itself, of calls after the first ones."""
    if importlib.util.find_spec("triton") is None:
        pytest.skip("needs triton, which torch compiles for GPUs with")
    torch.compiler.reset()
    model, (images, labels) = a_network(gpu), some_digits(gpu)
    expected = step_of(model, images, labels)
    compiled = torch.compile(model, mode=mode)
    for _ in range(5):
        torch.compiler.cudagraph_mark_step_begin()
        loss = nn.functional.cross_entropy(compiled(images), labels)
        got = [loss.clone(), *(g.clone() for g in torch.autograd.grad(loss, list(model.parameters())))]
        for a, b in zip(got, expected, strict=True):
            assert torch.allclose(a, b, rtol=1e-3, atol=1e-5)
    cpabx.check_device_errors()


# -- streams and waits -------------------------------------------------------------------------------


def test_two_streams(gpu):
    """Work of one does not wait for the other's; each has the bits that it has alone."""
    family = cpabx.Cpab((4, 4))
    theta, points = parameters(gpu, family, 20).requires_grad_(), drawn(gpu, 20, 3000, 2)

    def work(scale):
        moved = family.transform(points * scale, theta)
        return [moved, *torch.autograd.grad(moved.square().sum(), theta)]

    expected = [work(scale) for scale in (1.0, 0.5)]
    streams = [torch.cuda.Stream() for _ in expected]
    gpu.finish()
    results = [[], []]
    for _ in range(50):
        for stream, scale, kept in zip(streams, (1.0, 0.5), results, strict=True):
            with torch.cuda.stream(stream):
                kept.append(work(scale))
    gpu.finish()
    for kept, wanted in zip(results, expected, strict=True):
        assert all(equal_bits(got, wanted) for got in kept)


def test_a_call_is_in_the_order_of_its_stream(gpu):
    """Its inputs are made by work on that stream, before which the stream is busy for a while."""
    family = cpabx.Cpab((4, 4))
    theta, points = parameters(gpu, family, 4), drawn(gpu, 5000, 2)
    expected = family.transform(points * 0.5, theta)
    gpu.finish()
    with _beside():
        late = torch.zeros_like(points)
        torch.cuda._sleep(50_000_000)
        late.add_(points * 0.5)
        moved = family.transform(late, theta)
    assert torch.equal(moved, expected)


def test_a_step_of_training_waits_for_nothing(gpu):
    """With the optimizer, and a loss; torch raises where somebody waits."""
    model, (images, labels) = a_network(gpu), some_digits(gpu)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    step()
    gpu.finish()
    with gpu.no_waits():
        for _ in range(3):
            step()


# -- memory ------------------------------------------------------------------------------------------


def test_memory_does_not_grow(gpu):
    """What is allocated after 10 steps is that after 110, and so is the most at a time."""
    model, (images, labels) = a_network(gpu), some_digits(gpu)

    def steps(n):
        for _ in range(n):
            step_of(model, images, labels)
        gpu.finish()
        return torch.cuda.memory_allocated(gpu.place), torch.cuda.memory_reserved(gpu.place)

    before = steps(10)
    torch.cuda.reset_peak_memory_stats(gpu.place)
    steps(10)
    peak = torch.cuda.max_memory_allocated(gpu.place)
    assert steps(100) == before
    assert torch.cuda.max_memory_allocated(gpu.place) == peak


def test_out_of_memory(gpu):
    """It is torch's own error, and afterwards everything works."""
    family = cpabx.Cpab((4, 4))
    theta = parameters(gpu, family, 64).requires_grad_()
    points, few = drawn(gpu, 1, 1_000_000, 2), drawn(gpu, 100, 2)
    expected = family.transform(few, theta)
    torch.cuda.empty_cache()
    whole = torch.cuda.get_device_properties(gpu.place).total_memory
    room = torch.cuda.memory_reserved(gpu.place) + (64 << 20)
    torch.cuda.set_per_process_memory_fraction(room / whole, gpu.place)
    try:
        with pytest.raises(torch.OutOfMemoryError):  # the result alone has 512 MB
            family.transform(points, theta)
        assert torch.equal(family.transform(few, theta), expected)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, gpu.place)
    family.transform(points, theta).sum().backward()
    assert theta.grad.isfinite().all()
    cpabx.check_device_errors()


def test_the_report_is_seen_without_a_wait(gpu):
    """The device writes to pinned memory of the host, which is looked at until the word is there."""
    assert gpu.used._words.is_pinned()
    family = cpabx.Cpab((2, 2))
    points = drawn(gpu, 10, 2)
    theta = gpu.put(torch.zeros(3, family.n_params).index_fill_(0, torch.tensor(1), 1e6))
    for _ in range(20):
        family.transform(points, theta)
        with pytest.raises(RangeError, match="batch item 1 of an earlier call"):
            _look_for_a_while()
        gpu.finish()
        cpabx.check_device_errors()  # it is told once


def _look_for_a_while():
    end = time.monotonic() + 10
    while time.monotonic() < end:
        cpabx.check_device_errors()


# -- sizes -------------------------------------------------------------------------------------------


def test_more_items_than_rows_of_a_grid(gpu):
    """A launch may have 65,535."""
    family = cpabx.Cpab((2, 2))
    theta, points = parameters(gpu, family, 70_001), drawn(gpu, 70_001, 3, 2)
    moved = family.transform(points, theta)
    assert torch.allclose(moved.cpu(), family.transform(points.cpu(), theta.cpu()), atol=2e-5)


@pytest.mark.parametrize("cells", [(5,), (4, 4), (32, 32), (2, 2, 2)], ids=str)
def test_numbers_of_large_problems(gpu, cells):
    """In float32, against the CPU in float64: where sums take several blocks, and tables do not fit shared memory."""
    family = cpabx.Cpab(cells, basis="nodal")
    theta, points = parameters(gpu, family, 3), drawn(gpu, 3, 50_000, family.ndim)
    theta.requires_grad_()
    cotangent = drawn(gpu, 3, 50_000, family.ndim, seed=2)
    moved = family.transform(points, theta)
    (grad,) = torch.autograd.grad(moved, theta, cotangent)
    theta64 = theta.detach().cpu().double().requires_grad_()
    expected = family.transform(points.cpu().double(), theta64)
    (expected_grad,) = torch.autograd.grad(expected, theta64, cotangent.cpu().double())
    assert float((moved.cpu() - expected).detach().abs().max()) < 2e-5
    assert float((grad.cpu() - expected_grad).abs().max()) < 1e-4 * float(expected_grad.abs().max())


# -- the first call, and another device --------------------------------------------------------------

FIRST = """
import torch, cpabx
family = cpabx.Cpab((3, 2))
theta = family.sample(2, seed=0, backend="torch").cuda()
points = torch.rand(2, 5, 2, device="cuda")
{call}
print(int(family.transform(points, theta).isfinite().all()))
"""
CALLS = {
    "vmap": "torch.func.vmap(lambda p, t: family.transform(p, t[None])[0])(points, theta)",
    "jacrev": "torch.func.jacrev(lambda t: family.transform(points, t))(theta)",
    "inference": "with torch.inference_mode(): family.transform(points, theta)",
    "default device": "torch.set_default_device('cuda'); family.transform(points, theta)",
    "backward": "theta.requires_grad_(); (family.transform(points, theta) ** 2).sum().backward()",
}


@pytest.mark.parametrize("call", CALLS)
def test_the_first_call_of_a_process(gpu, call):
    """What it makes for later calls does not depend on where it was made."""
    program = FIRST.format(call=CALLS[call])
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "1"


def test_a_second_device(gpu):
    """While the first is current: with the same bits where both are of one kind, and errors of its own."""
    if torch.cuda.device_count() < 2:
        pytest.skip("needs two CUDA devices")
    there = torch.device("cuda", 1)
    family = cpabx.Cpab((4, 4))
    theta, points = parameters(gpu, family, 3), drawn(gpu, 500, 2)

    def work(theta, points):
        leaf = theta.detach().requires_grad_()
        moved = family.transform(points, leaf)
        return [moved, *torch.autograd.grad(moved.square().sum(), leaf)]

    results = [x.to(gpu.place) for x in work(theta.to(there), points.to(there))]
    assert torch.cuda.current_device() == gpu.place.index
    expected = work(theta, points)
    if torch.cuda.get_device_name(there) == torch.cuda.get_device_name(gpu.place):
        assert equal_bits(results, expected)
    assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-5) for a, b in zip(results, expected, strict=True))
    family.transform(points.to(there), torch.full_like(theta, 1e6).to(there))
    torch.cuda.synchronize(there)
    with pytest.raises(RangeError, match="earlier call, on cuda:1"):
        cpabx.check_device_errors()
    assert there in devices._devices
