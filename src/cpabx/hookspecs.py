"""The plugin API of cpabx, whole.

A backend is a module with the two functions below, decorated with ``cpabx.hookimpl`` and registered
as an entry point whose name is the backend's:

.. code-block:: toml

    [project.entry-points."cpabx.backends"]
    jax = "cpabx_jax.plugin"

The module is imported when somebody asks for the backend, or passes a tensor whose type no backend
loaded so far knows. It must therefore not import its framework: ``cpabx_backend`` does that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from cpabx.backend import Backend

#: Changes when a plugin written for the previous number may no longer work.
API_VERSION = 1

#: The entry point group of backends.
ENTRY_POINT_GROUP = "cpabx.backends"

hookspec = pluggy.HookspecMarker("cpabx")
hookimpl = pluggy.HookimplMarker("cpabx")


@hookspec(firstresult=True)
def cpabx_tensor_modules() -> tuple[str, ...]:  # type: ignore[empty-body]
    """Top-level modules that define this backend's tensor types, e.g. ``("torch",)``.

    Called without the framework being imported.
    """


@hookspec(firstresult=True)
def cpabx_backend() -> Backend:  # type: ignore[empty-body]
    """Import the framework and return the backend; called once.

    Raise ``ImportError`` with a sentence that says what to install if the framework is missing.
    """
