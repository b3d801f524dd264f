"""Tapes: gradients of plain tensors do not walk again, and all others do; no bit of them tells which."""

import pytest
import torch

import cpabx
from cpabx.errors import OptionError
from cpabx.native import functions as native
from cpabx_torch import functions

FAMILY = cpabx.Cpab((3, 4))


def a_transform(generator, size=40):
    points = torch.rand(1, size * size, 2, generator=generator) * 2 - 1
    return FAMILY.transform, points


def a_warp(generator, size=40):
    return FAMILY.warp, torch.rand(3, 2, size, size + 1, generator=generator)


@pytest.fixture(params=[a_transform, a_warp])
def case(request):
    """The function, and its inputs: points or images, and theta."""
    generator = torch.Generator().manual_seed(3)
    function, given = request.param(generator)
    theta = 0.4 * torch.randn(3, FAMILY.n_params, generator=generator)
    return function, given.requires_grad_(), theta.requires_grad_()


@pytest.fixture
def tapes(monkeypatch):
    """How large the tapes are that backward calls are given; 0 for none."""
    used = []
    for function in (native.transform_vjp, native.warp_vjp):
        genuine = function._call

        def watched(memory, arguments, n_threads, wanted, tape, genuine=genuine):
            used.append(tape[1])
            return genuine(memory, arguments, n_threads, wanted, tape)

        monkeypatch.setattr(function, "_call", watched)
    return used


def gradients(function, given, theta, **options):
    result = function(given, theta)
    cotangent = torch.cos(torch.arange(result.numel())).reshape(result.shape)
    return torch.autograd.grad(result, (given, theta), cotangent, **options)


def test_gradients_are_those_without_a_tape(case, tapes):
    taped = gradients(*case)
    assert [size > 0 for size in tapes] == [True]
    tapes.clear()
    walked = gradients(*case, create_graph=True)  # a gradient that is to be differentiated
    assert tapes == [0]
    for got, expected in zip(taped, walked, strict=True):
        assert torch.equal(got, expected)


def test_a_default_device_is_not_that_of_a_tape(case, monkeypatch):
    """libcpab writes to it, and would write to an address of another device."""
    places = []
    genuine = functions.Operator.replayed

    def watched(operator, tape, *arguments):
        places.append(tape.device.type)
        return genuine(operator, tape, *arguments)

    monkeypatch.setattr(functions.Operator, "replayed", watched)
    expected = gradients(*case)
    with torch.device("meta"):
        function, given, theta = case
        result = function(given, theta)
    cotangent = torch.cos(torch.arange(result.numel())).reshape(result.shape)
    for got, there in zip(torch.autograd.grad(result, (given, theta), cotangent), expected, strict=True):
        assert torch.equal(got, there)
    assert places == ["cpu"] * 2


def test_gradient_of_theta_alone(case, tapes):
    function, given, theta = case
    both = gradients(*case)
    result = function(given.detach(), theta)
    cotangent = torch.cos(torch.arange(result.numel())).reshape(result.shape)
    (alone,) = torch.autograd.grad(result, theta, cotangent)
    assert torch.equal(alone, both[1])
    assert all(size > 0 for size in tapes)


def test_backward_twice_through_a_kept_graph(case, tapes):
    function, given, theta = case
    result = function(given, theta).sum()
    first = torch.autograd.grad(result, (given, theta), retain_graph=True)
    second = torch.autograd.grad(result, (given, theta))
    assert len(tapes) == 2
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_changing_an_input_in_place_is_an_error(case):
    function, given, theta = case
    if function == FAMILY.warp:
        given = given.detach().clone()
        result = function(given, theta).sum()
    else:
        moved = given * 1.0
        result, given = function(moved, theta).sum(), moved
    with torch.no_grad():
        given.add_(0.1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        result.backward()


@pytest.mark.parametrize("grad", [True, False])
def test_nothing_is_recorded_without_need(case, monkeypatch, grad):
    function, given, theta = case
    made = []
    monkeypatch.setattr(native, "tape_bytes", lambda *sizes, **_: made.append(sizes) or 0)
    with torch.set_grad_enabled(grad):
        function(given, theta)
    assert bool(made) == grad
    made.clear()
    function(given.detach(), theta.detach())
    assert not made


def test_tapes_survive_hooks_on_saved_tensors(case):
    """As offloading and checkpoints use them."""
    expected = gradients(*case)
    function, given, theta = case

    def copy(tensor):
        return tensor.clone()

    with torch.autograd.graph.saved_tensors_hooks(copy, copy):
        found = gradients(function, given, theta)
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


def test_batches_of_cotangents(case, tapes):
    """The backward call is mapped: its tensors are not plain."""
    function, given, theta = case
    result = function(given, theta)
    cotangents = torch.randn(4, *result.shape, generator=torch.Generator().manual_seed(4))
    mapped = torch.autograd.grad(result, (given, theta), cotangents, is_grads_batched=True, retain_graph=True)
    assert not any(tapes)
    for i in range(4):
        one = torch.autograd.grad(result, (given, theta), cotangents[i], retain_graph=True)
        for a, b in zip(mapped, one, strict=True):
            torch.testing.assert_close(a[i], b, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("most", [None, 100_000, 0])
def test_tapes_leave_room_for_gradients_of_shared_points(tapes, monkeypatch, most):
    """64 bytes a point in all, or what is allowed; a tape that records a part, or nothing, changes no bit."""
    if most is not None:
        monkeypatch.setenv("CPABX_MAX_TAPE", str(most))
    generator = torch.Generator().manual_seed(4)
    points = (torch.rand(1, 5_000, 2, generator=generator) * 2 - 1).requires_grad_()
    theta = (0.3 * torch.randn(8, FAMILY.n_params, generator=generator)).requires_grad_()
    taped = gradients(FAMILY.transform, points, theta)
    beside = points.element_size() * 2
    if most is None:
        assert 64 - beside <= tapes[0] / (8 * 5_000) <= 64.1 - beside
    else:
        assert tapes[0] == most
    walked = gradients(FAMILY.transform, points, theta, create_graph=True)
    assert all(torch.equal(a, b) for a, b in zip(taped, walked, strict=True))


@pytest.mark.parametrize("setting", ["7 MiB", "-1", "1.5"])
def test_a_bound_that_is_no_number_of_bytes(case, monkeypatch, setting):
    monkeypatch.setenv("CPABX_MAX_TAPE", setting)
    function, given, theta = case
    with pytest.raises(OptionError, match=f"(?s)CPABX_MAX_TAPE must be a whole number of bytes.*{setting}"):
        function(given, theta)
