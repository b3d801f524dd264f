"""What a compiled library exports, needs, and asks of the system, whatever it was compiled for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import lief

from release.projects import ROOT, Platform

#: What zig's linker shows of every library for macOS. Nothing meets it: programs bind to a name of one library.
LINKERS_OWN = {"_mh_dylib_header", "__dso_handle"}
#: The processor of each platform, by what the three formats call it.
PROCESSORS = {
    "x86_64": {"X86_64", "AMD64"},
    "aarch64": {"AARCH64", "ARM64"},
}


def declared() -> set[str]:
    """The functions of cpab.h."""
    header = (ROOT / "libcpab" / "include" / "cpab.h").read_text(encoding="utf-8")
    return set(re.findall(r"^CPAB_API [a-z0-9_ ]+\*?(cpab_\w+)\(", header, re.MULTILINE))


def complaints(path: Path, platform: Platform) -> Iterator[str]:
    """What is wrong with a library for a platform."""
    binary = lief.parse(path)
    if binary is None:
        yield f"{path.name} is no library"
        return
    processor = platform.target.partition("-")[0]
    found = _processor(binary)
    if found not in PROCESSORS[processor]:
        yield f"{path.name} is for {found}, not for {processor}"
    exported, wanted = _exported(binary), declared()
    if exported != wanted:
        yield f"{path.name} exports {sorted(exported - wanted)} too much, and lacks {sorted(wanted - exported)}"
    for folder in searched(binary):
        yield f"{path.name} names {folder}, which is of the machine that built it"
    for name in needed(binary):
        if not any(re.fullmatch(pattern, name) for pattern in platform.needs):
            yield f"{path.name} needs {name}, which not every {platform.name} has"
    yield from _too_new(binary, path, platform)


def searched(binary: lief.Binary) -> list[str]:
    """Absolute paths in a library: of itself, and of folders where it looks for others."""
    if isinstance(binary, lief.MachO.Binary):
        found = [*_names(binary), *(str(command.path) for command in binary.rpaths)]
    elif isinstance(binary, lief.ELF.Binary):
        tags = (lief.ELF.DynamicEntry.TAG.RPATH, lief.ELF.DynamicEntry.TAG.RUNPATH)
        entries = [entry for tag in tags if (entry := binary.get(tag)) is not None]
        found = [folder for entry in entries for folder in entry.paths]
    else:
        found = []
    return [path for path in found if path.startswith("/")]


def _names(binary: lief.MachO.Binary) -> set[str]:
    """What a library for macOS is called in it."""
    own = lief.MachO.LoadCommand.TYPE.ID_DYLIB
    return {str(command.name) for command in binary.commands if command.command == own}


def needed(binary: lief.Binary) -> list[str]:
    """The libraries that a library links, but itself."""
    if isinstance(binary, lief.MachO.Binary):
        return [name for library in binary.libraries if (name := str(library.name)) not in _names(binary)]
    return [str(name) for name in binary.libraries]


def _processor(binary: lief.Binary) -> str:
    if isinstance(binary, lief.ELF.Binary):
        return str(binary.header.machine_type.name)
    if isinstance(binary, lief.MachO.Binary):
        return str(binary.header.cpu_type.name)
    assert isinstance(binary, lief.PE.Binary)
    return str(binary.header.machine.name)


def _exported(binary: lief.Binary) -> set[str]:
    if isinstance(binary, lief.PE.Binary):
        table = binary.get_export()
        return {entry.name for entry in table.entries} if table else set()
    names = {str(symbol.name) for symbol in binary.exported_symbols}
    if isinstance(binary, lief.MachO.Binary):
        return {name.removeprefix("_") for name in names} - LINKERS_OWN
    return names


def _too_new(binary: lief.Binary, path: Path, platform: Platform) -> Iterator[str]:
    """Versions of the system that are later than the tag promises."""
    promised = tuple(map(int, re.findall(r"\d+", platform.tag.removesuffix("x86_64").removesuffix("arm64"))[:2]))
    if isinstance(binary, lief.ELF.Binary):
        asked = {
            str(entry.name) for needs in binary.symbols_version_requirement for entry in needs.get_auxiliary_symbols()
        }
        for name in asked:
            numbers = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)?", name)
            if not numbers or tuple(map(int, numbers.groups())) > promised:
                yield f"{path.name} needs {name}, later than {platform.tag}"
    if isinstance(binary, lief.MachO.Binary):
        oldest = binary.build_version.minos if binary.has_build_version else binary.version_min.version
        if tuple(oldest)[:2] > promised:
            yield f"{path.name} needs macOS {oldest}, later than {platform.tag}"
