"""Random parameters: where the numbers come from, and that no graph keeps those of its tracing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from cpabx import registry
from cpabx.backend import Backend, Tensor
from cpabx.errors import OptionError, ShapeError, UnsupportedError, shown
from cpabx.numpy_backend import NumpyBackend
from cpabx.tracing import constant_while_tracing
from cpabx.transforms.arguments import as_floats, count, float_name

_HOST = (np.random.Generator, np.random.RandomState)


class Distribution(Protocol):
    """What makes parameters of standard normal noise."""

    @property
    def n_params(self) -> int: ...

    @property
    def theta_of_noise(self) -> Callable[..., Tensor]:
        """(N, d) of a backend, noise (N, d), and what it is scaled by or added to."""


def draw(
    distribution: Distribution,
    n: Any,
    parameter: Any,
    *,
    seed: Any,
    generator: Any,
    backend: str | None,
    device: Any,
    dtype: str,
) -> Tensor:
    """(n, d) parameters of noise that a seed gives, or a generator, or the global state of the backend.

    The parameter is the last one of ``theta_of_noise``. Numbers of the host are computed with in float64 before they
    become ``dtype``: so a seed gives the same ones everywhere.
    """
    float_name(dtype)
    if seed is not None and generator is not None:
        raise OptionError("one source of random numbers", "seed= and generator=", "Leave out one of them.")
    given = {"n": n, "generator": _checked_generator(generator)}
    chosen = registry.backend_for(backend, **{name: value for name, value in given.items() if of_a_framework(value)})
    if seed is not None:
        return _of_seed(distribution, _known(n), _checked_seed(seed), chosen.name, device, dtype, parameter)
    on_host = isinstance(generator, _HOST)
    _refuse_to_freeze(chosen, generator, on_host)
    if on_host:
        return _of_host(distribution, _known(n), generator, chosen, device, dtype, parameter)
    size = n if of_a_framework(n) else count(n)
    noise = chosen.normal((size, distribution.n_params), generator=generator, device=device, dtype=dtype)
    return distribution.theta_of_noise(chosen, noise, parameter)


def of_a_framework(value: Any) -> bool:
    """Whether a value chooses its backend: numpy's can go into every one."""
    return registry.owner(value) not in (None, "numpy")


def checked_noise(
    noise: Any, n_params: int, backend: str | None, *, name: str = "noise", **others: Any
) -> tuple[Any, ...]:
    """The backend, noise (N, d), and other tensors, all of one dtype; the name is that of the argument.

    Raises:
        ShapeError, DtypeError, DeviceError, BackendMismatchError: it is none, or they do not fit each other.
    """
    given = {name: noise, **others}
    chosen = registry.backend_for(backend, **given)
    noise, *tensors = as_floats(chosen, **given)
    shape = chosen.shape(noise)
    if len(shape) != 2 or shape[1] != n_params:
        raise ShapeError(
            f"{name} must be (N, {n_params})", f"shape {shape}", "Draw d standard normal numbers per item."
        )
    return chosen, noise, *tensors


@constant_while_tracing
def _of_seed(
    distribution: Distribution, n: int, seed: int, backend: str, device: Any, dtype: str, parameter: Any
) -> Tensor:
    generator = np.random.default_rng(seed)
    return _of_host(distribution, n, generator, registry.get_backend(backend), device, dtype, parameter)


def _of_host(
    distribution: Distribution,
    n: int,
    generator: Any,
    chosen: Backend,
    device: Any,
    dtype: str,
    parameter: Any,
) -> Tensor:
    noise = generator.standard_normal((n, distribution.n_params))
    theta = distribution.theta_of_noise(NumpyBackend(), noise, parameter)
    return chosen.to_device(chosen.asarray(theta, dtype=dtype), device)


def _refuse_to_freeze(chosen: Backend, generator: Any, on_host: bool) -> None:
    """Raises UnsupportedError where the numbers would become a constant of a graph."""
    tracer = registry.tracing_but_for(chosen.name) or (chosen.name if on_host and chosen.tracing() else None)
    if tracer is not None:
        source = "a numpy generator" if on_host else f"backend {chosen.name!r}"
        raise UnsupportedError(
            f"random numbers in a graph of {tracer!r} must be its own: others would be the same in all runs",
            f"those of {source}",
            f"Draw with backend={tracer!r}, with a generator or key of that framework, or before the graph is made; "
            "seed= gives a constant.",
        )


def _checked_generator(generator: Any) -> Any:
    if generator is not None and not of_a_framework(generator) and not isinstance(generator, _HOST):
        raise OptionError(
            "generator must be a random generator of a framework or numpy's, or a key of JAX",
            shown(generator),
            "For instance torch.Generator() or np.random.default_rng(); a number goes into seed=.",
        )
    return generator


def _checked_seed(seed: Any) -> int:
    try:
        value = -1 if isinstance(seed, bool) else operator.index(seed)
    except (TypeError, AttributeError):
        value = -1
    if value < 0:
        generator = isinstance(seed, _HOST) or of_a_framework(seed)
        raise OptionError(
            "seed must be a whole number, 0 or more",
            shown(seed),
            "Pass generators and keys as generator=." if generator else "Choose such a number.",
        )
    return value


def _known(n: Any) -> int:
    """How many, for numbers that are made on the host now."""
    try:
        return operator.index(count(n))  # of a number of a compiler: a constant
    except OptionError as error:
        if not of_a_framework(n):
            raise
        raise OptionError(
            "n must be known while tracing, for numbers of a seed or of a numpy generator",
            shown(n),
            "Pass a whole number, or a generator of the framework.",
        ) from error
