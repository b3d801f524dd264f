"""Functions whose gradient is another function of the same kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import jax

from cpabx.errors import UnsupportedError

F = TypeVar("F", bound=Callable[..., Any])


def with_gradient(pull_back: Callable[..., tuple[jax.Array, ...]]) -> Callable[[F], F]:
    """For a function of a problem, which is not differentiated, and of arrays.

    ``pull_back`` gets the same arguments and the cotangent of the result, and returns cotangents of the arrays.
    """

    def decorate(function: F) -> F:
        differentiable = jax.custom_vjp(function, nondiff_argnums=(0,))
        differentiable.defvjp(
            lambda problem, *inputs: (differentiable(problem, *inputs), inputs),
            lambda problem, inputs, cotangent: pull_back(problem, *inputs, cotangent),
        )
        return cast(F, differentiable)

    return decorate


def refuse(*_: Any) -> Any:
    """The gradient of what has none: an error, not zeros."""
    raise UnsupportedError(
        "CPAB transformations have derivatives up to the second, and their velocity and Jacobian up to the first",
        "a request for one more",
        "Differentiate less often, or take differences.",
    )
