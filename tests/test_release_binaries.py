"""What the checks of compiled files find, in files for macOS that are made here, and in the library of this machine."""

import struct

import pytest

from cpabx import native
from release.projects import PLATFORMS

lief = pytest.importorskip("lief", reason="nox -s wheels and the test matrix have it")
binaries = pytest.importorskip("release.binaries")

MACOS = next(platform for platform in PLATFORMS if platform.tag == "macosx_11_0_arm64")
ID_DYLIB, RPATH, BUILD_VERSION = 0xD, 0x8000001C, 0x32  # commands of a Mach-O file
ARM64, LIBRARY = 0x0100000C, 6


def names(command, text, *numbers):
    """A command with a text behind its numbers."""
    begins = 4 * (3 + len(numbers))
    body = text.encode() + b"\0"
    size = -(-(begins + len(body)) // 8) * 8
    return struct.pack(f"<{3 + len(numbers)}I", command, size, begins, *numbers) + body.ljust(size - begins, b"\0")


def for_macos(folder, name="@rpath/libcpab.dylib", search="@loader_path", oldest=11):
    """A library that exports nothing."""
    system = struct.pack("<6I", BUILD_VERSION, 24, 1, oldest << 16, oldest << 16, 0)
    commands = [names(ID_DYLIB, name, 1, 0, 0), names(RPATH, search), system]
    header = struct.pack("<8I", 0xFEEDFACF, ARM64, 0, LIBRARY, len(commands), sum(map(len, commands)), 0, 0)
    path = folder / "libcpab.dylib"
    path.write_bytes(header + b"".join(commands))
    return path


@pytest.mark.parametrize(
    ("made", "said"),
    [
        ({}, None),
        ({"name": "/home/me/build/libcpab.dylib"}, "names /home/me/build/libcpab.dylib"),
        ({"search": "/home/me/lib"}, "names /home/me/lib"),
        ({"oldest": 12}, "later than macosx_11_0_arm64"),
    ],
)
def test_what_a_library_has_of_the_machine_that_built_it_is_told(tmp_path, made, said):
    complaints = [*binaries.complaints(for_macos(tmp_path, **made), MACOS)]
    lacking = [line for line in complaints if f"lacks {sorted(binaries.declared())}" in line]
    assert len(lacking) == 1
    others = [line for line in complaints if line not in lacking]
    assert len(others) == (said is not None)
    assert said is None or said in others[0]


def test_the_library_of_this_machine_names_no_folder_of_it():
    assert binaries.searched(lief.parse(native.load().path)) == []
