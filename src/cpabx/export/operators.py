"""Libraries of operators for programs that run exported files: packages that bring their translations, found by name.

Such a package has an entry point of the group ``cpabx.operators``, whose name is that of the backend and whose value is
a function of nothing, which answers what ``custom_translations`` of :func:`cpabx.export.onnx` takes. It is imported
when a file with its operators is written, and not before.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from cpabx.errors import MissingPackageError

GROUP = "cpabx.operators"


def installed_translations(backend: str) -> dict[Any, Any]:
    """Those of all installed packages, for models of a backend.

    Raises:
        MissingPackageError: there are none.
    """
    found = [point.load()() for point in entry_points(group=GROUP, name=backend)]
    if not found:
        raise MissingPackageError(
            f"cpab='native' for models of {backend} needs a package with operators for what runs the file",
            "none that is installed",
            "pip install cpabx-onnx, or pass custom_translations=, or leave out cpab='native'.",
        )
    return {operator: translation for table in found for operator, translation in table.items()}
