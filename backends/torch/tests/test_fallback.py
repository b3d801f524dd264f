"""``fallback="cpu"``: tensors on a device that cpabx does not work on, which torch's ``lazy`` is on every machine."""

import pytest
import torch

import cpabx
from cpabx.errors import DeviceError, OptionError, UnsupportedError

FAMILY = cpabx.Cpab((3, 2))


@pytest.fixture(scope="module", autouse=True)
def lazy():
    """A device whose tensors are graphs until they are looked at."""
    ts_backend = pytest.importorskip("torch._lazy.ts_backend")
    try:
        ts_backend.init()
    except RuntimeError as error:
        pytest.skip(f"this torch has no lazy tensors: {error}")


@pytest.fixture
def through_cpu():
    before = cpabx.get_backend().name
    cpabx.set_backend("torch", fallback="cpu")
    yield
    cpabx.set_backend("torch")
    cpabx.set_backend(before)


def drawn():
    theta = FAMILY.sample(2, seed=0, backend="torch")
    generator = torch.Generator().manual_seed(0)
    return torch.rand(5, 2, generator=generator), torch.rand(2, 1, 6, 5, generator=generator), theta


def results(device):
    points, images, theta = (x.to(device).requires_grad_() for x in drawn())
    moved, warped = FAMILY.transform(points, theta), FAMILY.warp(images, theta)
    grads = torch.autograd.grad(moved.square().sum() + warped.square().sum(), (points, images, theta))
    matrices, along = FAMILY.jacobian(points, theta), FAMILY.jvp(points, theta, None, theta)
    return [moved, warped, *grads, matrices, along, FAMILY.velocity_at(points, theta)]


def test_bits_and_gradients_are_those_of_the_cpu(through_cpu):
    there = results("lazy")
    assert all(x.device.type == "lazy" for x in there)
    for number, (a, b) in enumerate(zip(there, results("cpu"), strict=True)):
        if number == 4:  # theta's gradient is a product of torch's own, which adds up in another order there
            torch.testing.assert_close(a.cpu(), b, rtol=1e-5, atol=1e-6)
        else:
            assert torch.equal(a.cpu(), b), number


def test_without_it_the_error_names_it():
    points, images, theta = (x.to("lazy") for x in drawn())
    for function, given in ((FAMILY.transform, points), (FAMILY.warp, images), (FAMILY.jacobian, points)):
        with pytest.raises(DeviceError, match="lazy") as caught:
            function(given, theta)
        assert "cpabx.set_backend('torch', fallback='cpu')" in caught.value.remedy


def test_another_call_ends_it(through_cpu):
    cpabx.set_backend("torch")
    with pytest.raises(DeviceError):
        FAMILY.transform(*(x.to("lazy") for x in drawn()[::2]))


@pytest.mark.parametrize("fallback", ["cuda", "", 1, True])
def test_other_values(fallback):
    with pytest.raises(OptionError, match="fallback must be None or 'cpu'"):
        cpabx.set_backend("torch", fallback=fallback)


def test_a_backend_that_has_none():
    before = cpabx.get_backend().name
    with pytest.raises(UnsupportedError, match="fallback"):
        cpabx.set_backend("numpy", fallback="cpu")
    assert cpabx.get_backend().name == before
