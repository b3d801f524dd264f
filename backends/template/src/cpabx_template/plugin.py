"""How cpabx finds this backend. Imports no framework until it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cpabx import hookimpl

if TYPE_CHECKING:
    from cpabx.backend import Backend


@hookimpl
def cpabx_tensor_modules() -> tuple[str, ...]:
    return ("cpabx_template",)  # where the framework's tensor classes are defined


@hookimpl
def cpabx_backend() -> Backend:
    from cpabx_template.backend import TemplateBackend

    return TemplateBackend()
