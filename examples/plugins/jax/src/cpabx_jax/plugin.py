"""How cpabx finds this backend. Imports no JAX until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx import hookimpl

if TYPE_CHECKING:
    from cpabx.backend import Backend


@hookimpl
def cpabx_tensor_modules() -> tuple[str, ...]:
    return ("jax", "jaxlib")


@hookimpl
def cpabx_backend() -> Backend:
    from cpabx_jax.backend import JaxBackend

    return JaxBackend()
