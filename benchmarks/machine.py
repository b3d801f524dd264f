"""What the numbers were measured with."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from cpabx import native

DISTRIBUTIONS = ("cpabx", "numpy", "torch", "libcpab", "difw", "kornia")


def description() -> dict[str, str]:
    found = {name: version(name) for name in DISTRIBUTIONS}
    return {
        "processor": processor(),
        "processors": str(native.default_threads()),
        "system": platform.platform(),
        "python": platform.python_version(),
        "library": native.load().build_info,
        **{name: number or "not installed" for name, number in found.items()},
    }


def version(distribution: str) -> str | None:
    """None if it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name, as far as the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for entry in cpuinfo.read_text(encoding="utf-8").splitlines():
            if entry.startswith("model name"):
                return entry.partition(":")[2].strip()
    return platform.processor() or platform.machine()
