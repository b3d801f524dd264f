"""How cpabx finds this backend. Imports no torch until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx import hookimpl

if TYPE_CHECKING:
    from cpabx.backend import Backend


@hookimpl
def cpabx_tensor_modules() -> tuple[str, ...]:
    return ("torch",)


@hookimpl
def cpabx_backend() -> Backend:
    from cpabx_torch.backend import TorchBackend
    from cpabx_torch.openmp import join_torch

    join_torch()
    return TorchBackend()
