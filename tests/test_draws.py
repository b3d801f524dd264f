"""Draws by numpy, and by backends that have no random numbers."""

import numpy as np
import pytest

import cpabx
from cpabx.backend import Backend
from cpabx.errors import UnsupportedError
from cpabx.numpy_backend import NumpyBackend

FAMILY = cpabx.Affine()
PRIOR = cpabx.SmoothPrior(cpabx.Cpab((2, 2)), length_scale=0.5)
each_source = pytest.mark.parametrize("source", [FAMILY, PRIOR], ids=["family", "prior"])


class Older(NumpyBackend):
    """A plugin from before there were draws."""

    supports = frozenset()
    generator = Backend.generator
    normal = Backend.normal


class Tracing(NumpyBackend):
    """A framework that makes a graph."""

    def tracing(self) -> bool:
        return True


@each_source
def test_numpys_global_seed_is_followed(source):
    draws = []
    for seed in (0, 0, 1):
        np.random.seed(seed)  # noqa: NPY002 - the global one
        draws.append((source.sample(2, backend="numpy"), source.sample(2, backend="numpy")))
    assert all(np.array_equal(a, b) for a, b in zip(*draws[:2], strict=True))
    assert not np.isclose(draws[0], draws[2]).any()
    assert not np.isclose(*draws[0]).any()


@each_source
def test_a_legacy_generator_of_numpy(source):
    expected = source.theta_from(np.random.RandomState(0).standard_normal(source.sample(2, seed=0).shape))
    got = source.sample(2, generator=np.random.RandomState(0), dtype="float64", backend="numpy")
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@each_source
def test_a_backend_without_random_numbers(source, monkeypatch):
    """It says so; seeds and numpy's generators serve it all the same."""
    cpabx.get_backend("numpy")
    monkeypatch.setitem(cpabx.registry._plugins.backends, "numpy", Older())
    with pytest.raises(UnsupportedError, match="random numbers"):
        source.sample(2, backend="numpy")
    seeded = source.sample(2, seed=0, backend="numpy")
    assert np.array_equal(seeded, source.sample(2, generator=np.random.default_rng(0), backend="numpy"))


@each_source
def test_numbers_of_the_host_while_another_backend_traces(source, monkeypatch):
    cpabx.get_backend("numpy")
    monkeypatch.setitem(cpabx.registry._plugins.backends, "another", Tracing())
    for options in ({}, {"generator": np.random.default_rng(0)}):
        with pytest.raises(UnsupportedError, match="'another'"):
            source.sample(1, backend="numpy", **options)
    assert source.sample(1, seed=0, backend="numpy").shape == source.sample(1, seed=1, backend="numpy").shape
