"""What is released: a row for each project, and for each platform."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Project:
    """A distribution.

    Attributes:
        name: on an index.
        folder: where its pyproject.toml is, from the root.
        builds: ``"everywhere"`` for one wheel without compiled code, ``"platforms"`` for one for each of PLATFORMS,
            ``"here"`` for one by the compiler of this machine, for its platform alone.
        imports: what a fresh environment imports of it.
        follows: whether it is ours to release, with the version of libcpab/VERSION; third parties have their own.
        framework: whether installing it brings a large framework, which is done on demand.
        extra: with which of its extras it is installed.
    """

    name: str
    folder: str
    builds: str
    imports: str
    follows: bool = True
    framework: bool = False
    extra: str = ""

    @property
    def settings(self) -> dict[str, Any]:
        return tomllib.loads((ROOT / self.folder / "pyproject.toml").read_text(encoding="utf-8"))

    @property
    def file_name(self) -> str:
        """How the names of its files begin."""
        return re.sub(r"[-_.]+", "_", self.name).lower()


#: The one list of what is built; another package is another line.
PROJECTS = (
    Project("cpabx", ".", "platforms", "cpabx"),
    Project("cpabx-torch", "backends/torch", "everywhere", "cpabx_torch.layers", framework=True),
    Project(
        "cpabx-tensorflow",
        "backends/tensorflow",
        "here",
        "cpabx_tensorflow.layers",
        framework=True,
        extra="[tensorflow-cpu]",
    ),
    Project("cpabx-onnx", "runtimes/onnxruntime", "here", "cpabx_onnx"),
    Project("cpabx-template", "backends/template", "everywhere", "cpabx_template.plugin", follows=False),
    Project("cpabx-experiments", "experiments", "everywhere", "cpabx_experiments.cli"),
)


@dataclass(frozen=True)
class Platform:
    """Where compiled wheels work.

    Attributes:
        name: for people.
        target: as ``zig -target`` takes it.
        tag: of wheels.
        library: the file of libcpab in the wheel.
        needs: what that file may need of the system, as patterns of names.
        runs: programs without which nothing of it runs on other platforms, and how they are called in tables; none
            where there is no such program.
    """

    name: str
    target: str
    tag: str
    library: str
    needs: tuple[str, ...]
    runs: tuple[str, str] | None = None


LINUX = (r"lib(c|m|pthread|dl|rt)\.so\.\d", r"ld-linux-.*\.so\.\d")
PLATFORMS = (
    Platform("Linux x86_64", "x86_64-linux-gnu.2.28", "manylinux_2_28_x86_64", "libcpab.so", LINUX),
    Platform(
        "Linux aarch64",
        "aarch64-linux-gnu.2.28",
        "manylinux_2_28_aarch64",
        "libcpab.so",
        LINUX,
        ("qemu-aarch64", "qemu"),
    ),
    Platform("macOS arm64", "aarch64-macos.11.0", "macosx_11_0_arm64", "libcpab.dylib", (r"/usr/lib/lib.*\.dylib",)),
    Platform("macOS x86_64", "x86_64-macos.11.0", "macosx_11_0_x86_64", "libcpab.dylib", (r"/usr/lib/lib.*\.dylib",)),
    Platform(
        "Windows x86_64",
        "x86_64-windows-gnu",
        "win_amd64",
        "cpab.dll",
        (r"(?i)kernel32\.dll", r"(?i)ntdll\.dll", r"(?i)api-ms-win-crt-.*\.dll", r"(?i)ucrtbase\.dll"),
        ("wine", "wine"),
    ),
)


def version() -> str:
    """Of all packages."""
    return (ROOT / "libcpab" / "VERSION").read_text(encoding="utf-8").strip()
