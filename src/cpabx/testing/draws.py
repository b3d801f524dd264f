"""Random parameters: sources of numbers, what is made of them, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import cpabx
from cpabx import Affine, Composition, Cpab, Homography, SmoothPrior
from cpabx.backend import Backend
from cpabx.errors import DeviceError, DtypeError, OptionError, ShapeError, UnsupportedError
from cpabx.testing.cases import Array, distance, each_dtype, needs, tensor, words_of
from cpabx.testing.complaints import complains

PRIOR = SmoothPrior(Cpab((3, 2)), length_scale=0.5, variance=0.7)

#: What draws, with the number of its parameters.
SOURCES: dict[str, tuple[Any, int]] = {
    "Affine-1D": (Affine(ndim=1), 2),
    "Homography": (Homography(), 8),
    "Cpab-3D": (Cpab((1, 2, 1)), Cpab((1, 2, 1)).n_params),
    "Composition": (Composition(Affine(), Cpab((2, 1))), 6 + Cpab((2, 1)).n_params),
    "SmoothPrior": (PRIOR, PRIOR.cpab.n_params),
}
each_source = pytest.mark.parametrize(("source", "d"), SOURCES.values(), ids=list(SOURCES))


def expected(source: Any, noise: Array) -> Array:
    """By the definitions, in float64."""
    if isinstance(source, SmoothPrior):
        lower = np.linalg.cholesky(source.covariance)
        # Any other root of the covariance has the same Gram matrix, and so the same whitened lengths.
        root = source.theta_from(np.eye(source.cpab.n_params))
        assert distance(root.T @ root, lower @ lower.T) <= 1e-10
        return np.asarray(noise @ root)
    return np.asarray(source.identity_theta() + 0.1 * noise)


class TestDraws:
    @each_dtype
    @each_source
    def test_noise_makes_theta(self, backend: Backend, source: Any, d: int, dtype: str) -> None:
        """The pure half of a draw, of tensors and to them."""
        noise = np.random.default_rng(0).standard_normal((4, d)).astype(dtype)
        theta = source.theta_from(tensor(backend, noise, dtype))
        assert cpabx.registry.owner(theta) == backend.name
        assert backend.dtype(theta) == dtype
        tolerance = 1e-12 if dtype == "float64" else 1e-5
        assert distance(backend.to_numpy(theta), expected(source, noise.astype("float64"))) <= tolerance
        assert backend.shape(source.theta_from(tensor(backend, noise[:0], dtype))) == (0, d)

    @each_source
    def test_gradient_of_theta_by_noise(self, backend: Backend, source: Any, d: int) -> None:
        """A linear map: the transposed one takes cotangents back."""
        needs(backend, "autograd")
        noise, cotangent = np.random.default_rng(1).standard_normal((2, 3, d))
        (grad,) = backend.vjp(source.theta_from, (tensor(backend, noise),), tensor(backend, cotangent))
        matrix = expected(source, np.eye(d)) - expected(source, np.zeros((1, d)))
        assert distance(backend.to_numpy(grad), cotangent @ matrix.T) <= 1e-12

    def test_scale_and_mean_of_given_noise(self, backend: Backend) -> None:
        noise = np.random.default_rng(2).standard_normal((3, 8))
        got = Homography().theta_from(tensor(backend, noise), scale=-2)
        assert distance(backend.to_numpy(got), Homography().identity_theta() - 2 * noise) <= 1e-14
        d = PRIOR.cpab.n_params
        noise, mean = np.random.default_rng(3).standard_normal((2, 3, d))
        for added in (mean, mean[0]):
            got = PRIOR.theta_from(tensor(backend, noise), mean=tensor(backend, added))
            assert distance(backend.to_numpy(got), expected(PRIOR, noise) + added) <= 1e-12

    @each_dtype
    @each_source
    def test_a_seed_gives_numpys_numbers(self, backend: Backend, source: Any, d: int, dtype: str) -> None:
        """The same bits as ever, and those of a numpy generator of that seed, which goes on to others."""
        noise = np.random.default_rng(5).standard_normal((3, d))
        of_noise = source.theta_from(noise, backend="numpy").astype(dtype)
        options = {"backend": backend.name, "dtype": dtype}
        generator = np.random.default_rng(5)
        first, second = (backend.to_numpy(source.sample(3, generator=generator, **options)) for _ in range(2))
        assert first.tobytes() == of_noise.tobytes()
        assert not np.isclose(first, second).any()
        for seed in (5, np.int64(5)):
            assert backend.to_numpy(source.sample(3, seed=seed, **options)).tobytes() == of_noise.tobytes()
        assert backend.shape(source.sample(2, seed=2**64 - 1, **options)) == (2, d)

    @each_dtype
    @each_source
    def test_a_generator_gives_its_numbers(self, backend: Backend, source: Any, d: int, dtype: str) -> None:
        """Of the framework: it chooses the backend where it is not numpy's, and its seed the numbers."""
        generator = backend.generator(0)
        chosen = backend.name if cpabx.registry.owner(generator) == "numpy" else None
        for n in (0, 1, 4):
            theta = source.sample(n, generator=backend.generator(0), backend=chosen, dtype=dtype)
            assert cpabx.registry.owner(theta) == backend.name
            assert backend.dtype(theta) == dtype
            assert backend.shape(theta) == (n, d)
        first, again, other = (
            backend.to_numpy(source.sample(4, generator=backend.generator(s), backend=backend.name, dtype=dtype))
            for s in (0, 0, 1)
        )
        assert first.tobytes() == again.tobytes()
        assert not np.isclose(first, other).any()

    def test_moments(self, backend: Backend) -> None:
        """Independent, of mean 0 and variance 1; the prior's have its covariance."""
        n, family = 20_000, Affine()
        theta = backend.to_numpy(family.sample(n, generator=backend.generator(0), scale=0.5, backend=backend.name))
        noise = (theta.astype("float64") - family.identity_theta()) / 0.5
        within = 5 / np.sqrt(n)
        assert np.abs(noise.mean(0)).max() < within
        assert np.abs(noise.T @ noise / n - np.eye(6)).max() < 2 * within
        assert np.abs((noise**4).mean(0) - 3).max() < 10 * within
        theta = backend.to_numpy(PRIOR.sample(n, generator=backend.generator(1), backend=backend.name))
        white = np.linalg.solve(np.linalg.cholesky(PRIOR.covariance), theta.T.astype("float64"))
        assert np.abs(white @ white.T / n - np.eye(len(white))).max() < 2 * within

    @each_source
    def test_without_a_seed_numbers_are_fresh(self, backend: Backend, source: Any, d: int) -> None:
        """Or refused, where there is no state to draw from."""
        if "random_state" not in backend.supports:
            with complains(UnsupportedError, match=backend.name):
                source.sample(2, backend=backend.name)
            return
        first, second = (backend.to_numpy(source.sample(4, backend=backend.name)) for _ in range(2))
        assert first.shape == (4, d)
        assert not np.isclose(first, second).any()

    def test_a_mean_keeps_its_gradient(self, backend: Backend) -> None:
        """Of (d,) and (n, d), whatever the numbers come from; the tensor chooses the backend."""
        mean = np.linspace(0, 1, PRIOR.cpab.n_params)
        sources: list[dict[str, Any]] = [{"seed": 0}, {"generator": backend.generator(0)}]
        for source in sources:
            assert cpabx.registry.owner(PRIOR.sample(1, mean=tensor(backend, mean), **source)) == backend.name
        needs(backend, "autograd")
        cotangent = np.random.default_rng(4).standard_normal((3, len(mean)))
        for given, wanted in ((mean, cotangent.sum(0)), (np.stack([mean] * 3), cotangent)):
            for source in sources:
                (grad,) = backend.vjp(
                    lambda m, source=source: PRIOR.sample(3, mean=m, dtype="float64", **source),
                    (tensor(backend, given),),
                    tensor(backend, cotangent),
                )
                assert distance(backend.to_numpy(grad), wanted) <= 1e-13

    def test_devices(self, backend: Backend) -> None:
        """Every framework has the CPU; none has one of this name."""
        there = backend.device(tensor(backend, [0.0]))
        family = Affine()
        makers: list[Callable[..., Any]] = [
            partial(family.identity, 2),
            partial(family.sample, 2, seed=0),
            partial(family.sample, 2, generator=backend.generator(0)),
            partial(PRIOR.sample, 2, seed=0),
        ]
        for make in makers:
            if there == "cpu":
                assert backend.device(make(backend=backend.name, device="cpu")) == "cpu"
            with complains(DeviceError):
                make(backend=backend.name, device="nowhere")

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"seed": 1.5}, "seed"),
            ({"seed": -1}, "seed"),
            ({"seed": "a"}, "seed"),
            ({"seed": True}, "seed"),
            ({"seed": [1, 2]}, "seed"),
            ({"seed": np.random.default_rng(0)}, "generator="),
            ({"generator": 5}, "seed="),
            ({"generator": "a"}, "generator"),
            ({"generator": np.zeros(2)}, "generator"),
            ({"seed": 0, "generator": np.random.default_rng(0)}, "Leave out one"),
            ({"n": -1}, "n must be"),
            ({"n": 1.5}, "n must be"),
            ({"n": "2"}, "n must be"),
            ({"n": [2]}, "n must be"),
            ({"n": 10**20}, "n must be"),
            ({"scale": "a"}, "scale"),
            ({"scale": float("nan")}, "scale"),
            ({"scale": np.ones(2)}, "scale"),
        ],
        ids=words_of,
    )
    def test_impossible_options(self, backend: Backend, options: dict[str, Any], match: str) -> None:
        sources: list[Any] = [Affine()] if "scale" in options else [Affine(), PRIOR]
        for source in sources:
            with complains(OptionError, builtin=ValueError, match=match):
                source.sample(**{"n": 1, "backend": backend.name, **options})
        if "n" in options:
            with complains(OptionError, builtin=ValueError, match=match):
                Affine().identity(**options, backend=backend.name)

    def test_what_the_framework_has_for_something_else(self, backend: Backend) -> None:
        """Its generator as a seed, its tensor as a generator or a scale, its numbers as n."""
        own = backend.generator(0)
        with complains(OptionError, match="generator="):
            Affine().sample(1, seed=own, backend=backend.name)
        with complains(OptionError, match="generator"):
            Affine().sample(1, generator=tensor(backend, np.zeros((2, 3))), backend=backend.name)
        with complains(OptionError, match="theta_from"):
            Affine().sample(1, seed=0, scale=tensor(backend, np.ones(2)), backend=backend.name)
        with complains(OptionError, match="n must be"):
            Affine().sample(tensor(backend, 1.5), seed=0, backend=backend.name)
        with complains(OptionError, match="n must be"):
            Affine().sample(tensor(backend, 1.5), generator=own, backend=backend.name)

    @each_source
    def test_impossible_noise(self, backend: Backend, source: Any, d: int) -> None:
        for shape in ((d,), (1, d + 1), (1, 1, d), ()):
            with complains(ShapeError, match="noise must be"):
                source.theta_from(tensor(backend, np.zeros(shape)))
        with complains(DtypeError, match="noise must be"):
            source.theta_from(tensor(backend, np.zeros((1, d)), "int32"))
