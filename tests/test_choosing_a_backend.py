"""Which backend is in force: argument, context, set_backend, environment, numpy, in this order."""

import asyncio
import threading

import numpy as np
import pytest

import cpabx
from cpabx import registry
from cpabx.errors import BackendLoadError, BackendNotFoundError, DeviceError
from cpabx.numpy_backend import NumpyBackend
from cpabx.plugins import Plugins, installed


def in_force():
    return cpabx.get_backend().name


@pytest.fixture(autouse=True)
def backends(monkeypatch):
    """Nothing chosen yet, and three backends beside numpy: a, b and c."""
    plugins = Plugins()
    for name in "abc":
        kind = type(f"Backend{name}", (NumpyBackend,), {"name": name})
        plugins.backends[name] = kind()
    monkeypatch.setattr(registry, "_plugins", plugins)
    monkeypatch.setattr(registry, "_chosen", None)
    monkeypatch.delenv("CPABX_BACKEND", raising=False)


def test_order_of_precedence(monkeypatch):
    """Each way yields to the next stronger one, and is back when that ends."""
    assert in_force() == "numpy"
    monkeypatch.setenv("CPABX_BACKEND", "a")
    assert in_force() == "a"
    cpabx.set_backend("b")
    assert in_force() == "b"
    with cpabx.use_backend("c"):
        assert in_force() == "c"
        assert cpabx.get_backend("a").name == "a"
    assert in_force() == "b"


def test_context_gives_the_backend_and_nests():
    with cpabx.use_backend("a") as outer:
        assert outer is cpabx.get_backend()
        with cpabx.use_backend("b"):
            assert in_force() == "b"
        assert in_force() == "a"


def test_context_ends_with_an_exception():
    with pytest.raises(KeyError), cpabx.use_backend("a"):
        raise KeyError
    assert in_force() == "numpy"


def test_context_is_not_seen_by_other_threads():
    """Two threads, two contexts at the same time; a thread without one has the default."""
    barrier, seen = threading.Barrier(3), {}

    def work(name):
        if name is None:
            barrier.wait(10)
            seen[name] = in_force()
            barrier.wait(10)
        else:
            with cpabx.use_backend(name):
                barrier.wait(10)
                seen[name] = in_force()
                barrier.wait(10)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("a", "b", None)]
    with cpabx.use_backend("c"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert in_force() == "c"
    assert seen == {"a": "a", "b": "b", None: "numpy"}


def test_context_is_not_seen_by_other_tasks():
    """Tasks that take turns keep their own."""

    async def work(name):
        with cpabx.use_backend(name):
            for _ in range(3):
                await asyncio.sleep(0)
                assert in_force() == name

    async def main():
        await asyncio.gather(*(work(name) for name in "abcabc"))
        return in_force()

    assert asyncio.run(main()) == "numpy"


def test_set_backend_is_seen_by_all_threads():
    cpabx.set_backend("a")
    seen = []
    thread = threading.Thread(target=lambda: seen.append(in_force()))
    thread.start()
    thread.join()
    assert seen == ["a"]


def test_failed_choice_changes_nothing():
    """Neither set_backend nor use_backend leaves a name that cannot be loaded."""
    cpabx.set_backend("a")
    with pytest.raises(BackendNotFoundError):
        cpabx.set_backend("nowhere")
    with pytest.raises(BackendNotFoundError), cpabx.use_backend("nowhere"):
        pass
    assert in_force() == "a"


def test_environment_with_a_wrong_name_is_an_error(monkeypatch):
    """Not a silent fall back to numpy."""
    monkeypatch.setenv("CPABX_BACKEND", "nowhere")
    with pytest.raises(BackendNotFoundError, match="nowhere"):
        cpabx.Affine().identity(1)


def test_identity_sample_and_lists_follow_the_backend_in_force(monkeypatch):
    """The calls that have no tensor to follow."""
    used = []
    kind = type(cpabx.get_backend("a"))
    for method in ("asarray", "constant"):
        own = getattr(NumpyBackend, method)
        monkeypatch.setattr(kind, method, lambda self, *a, own=own, **k: used.append(self) or own(self, *a, **k))
    family = cpabx.Affine()
    with cpabx.use_backend("a") as a:
        for call in (family.identity, family.sample, lambda: family.transform([[0.0, 0.0]], [[1.0, 0, 0, 0, 1, 0]])):
            used.clear()
            call()
            assert used
            assert set(used) == {a}


def test_layers_of_a_backend_without_any():
    with pytest.raises(BackendLoadError, match="'a', which has none"):
        cpabx.layers.STAffine(backend="a")


# -- names that are wrong ------------------------------------------------------------------------


@pytest.fixture
def numpy_only(monkeypatch):
    """As if no other backend were installed."""
    only = {"numpy": installed()["numpy"]}
    monkeypatch.setattr(registry, "_plugins", Plugins(lambda: only))


@pytest.mark.parametrize(
    ("name", "meant", "package"),
    [
        ("pytorch", "torch", "cpabx-torch"),
        ("PyTorch", "torch", "cpabx-torch"),
        ("tf", "tensorflow", "cpabx-tensorflow"),
        ("keras", "tensorflow", "cpabx-tensorflow"),
        ("tensorflwo", "tensorflow", "cpabx-tensorflow"),
    ],
)
def test_missing_backend_says_what_to_install(numpy_only, name, meant, package):
    with pytest.raises(BackendNotFoundError) as caught:
        cpabx.get_backend(name)
    assert f"Did you mean '{meant}'?" in str(caught.value)
    assert f"pip install {package}" in str(caught.value)
    assert repr(name) in caught.value.received
    assert "numpy" in caught.value.asked


def test_right_name_of_a_missing_backend_is_not_corrected(numpy_only):
    with pytest.raises(BackendNotFoundError) as caught:
        cpabx.get_backend("torch")
    assert caught.value.remedy == "Install it: pip install cpabx-torch"


@pytest.mark.parametrize("name", ["np", "Numpy", "numppy"])
def test_installed_backend_under_a_wrong_name(numpy_only, name):
    """Corrected, without advice to install what is there."""
    with pytest.raises(BackendNotFoundError) as caught:
        cpabx.get_backend(name)
    assert caught.value.remedy == "Did you mean 'numpy'?"


@pytest.mark.parametrize(
    "name",
    [None, 3, [], {}, b"numpy", object(), np.zeros(2), cpabx.get_backend("numpy")],
    ids=lambda name: type(name).__name__,
)
def test_what_is_no_name(name):
    """Everywhere that takes one; ``backend=None`` alone means the one in force."""
    calls = [lambda: cpabx.set_backend(name), lambda: cpabx.use_backend(name).__enter__()]
    if name is not None:
        calls += [lambda: cpabx.get_backend(name), lambda: cpabx.Affine().identity(backend=name)]
        calls += [lambda: cpabx.Affine().transform([[0.0, 0.0]], [[0.0] * 6], backend=name)]
    for call in calls:
        with pytest.raises(BackendNotFoundError, match="Pass the name of one"):
            call()


@pytest.mark.parametrize("name", ["", "nonsense"])
def test_a_name_from_the_environment_says_so(monkeypatch, name):
    """An empty variable is none."""
    monkeypatch.setenv("CPABX_BACKEND", name)
    if not name:
        assert cpabx.get_backend().name == "numpy"
        return
    with pytest.raises(BackendNotFoundError, match="'nonsense' from CPABX_BACKEND"):
        cpabx.get_backend()


def test_name_that_resembles_nothing(numpy_only):
    with pytest.raises(BackendNotFoundError) as caught:
        cpabx.get_backend("qqq")
    assert "Did you mean" not in str(caught.value)
    assert caught.value.remedy


def test_tensor_of_a_framework_whose_backend_is_missing(numpy_only):
    """The tensor is there, so say what makes it usable."""
    tensor = type("Tensor", (), {"__module__": "torch"})()
    with pytest.raises(BackendNotFoundError, match="pip install cpabx-torch"):
        cpabx.Affine().transform(tensor, tensor)


@pytest.mark.parametrize(
    ("of_theta", "of_points", "fit"),
    [("cpu", "cpu", True), ("cpu", None, True), (None, "cpu", True), (None, None, True), ("cpu", "gpu", False)],
)
def test_a_device_that_is_not_known_goes_with_any(monkeypatch, of_theta, of_points, fit):
    """While a function is traced, its arguments have no device yet, and the constants in it do."""
    monkeypatch.setattr(NumpyBackend, "are_ready", lambda *_: False)
    monkeypatch.setattr(NumpyBackend, "device", lambda self, t: of_theta if t.shape[-1] == 6 else of_points)
    theta, points = np.zeros((3, 6)), np.zeros((4, 2))
    if fit:
        assert cpabx.Affine().transform(points, theta).shape == (3, 4, 2)
    else:
        with pytest.raises(DeviceError, match="cpu and gpu"):
            cpabx.Affine().transform(points, theta)
