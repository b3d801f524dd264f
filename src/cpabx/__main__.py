"""``python -m cpabx info``, ``python -m cpabx backends``, and commands of other packages.

A package adds a command by an entry point of the group ``cpabx.commands``: its name is the command's, and it is a
function that takes the arguments that follow, a list of strings, and returns the exit status.
"""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import entry_points

import cpabx
from cpabx import hookspecs, native
from cpabx.errors import CpabxError, MissingPackageError, NativeLibraryError, OptionError
from cpabx.native import driver
from cpabx.plugins import calling

#: The entry point group of commands.
GROUP = "cpabx.commands"


def info() -> int:
    """Print what every bug report should start with. Returns 1 if the library does not load."""
    print(f"cpabx     {cpabx.__version__}, plugin API {hookspecs.API_VERSION}")
    print(f"python    {platform.python_version()} on {platform.platform()}")
    try:
        library = native.load()
    except (NativeLibraryError, OptionError) as error:
        print(f"libcpab   {error}")
        return 1
    print(f"libcpab   {library.version}, ABI {library.abi_version}, {library.build_info}")
    print(f"          {library.path}")
    print(f"threads   {native.default_threads()}")
    _cuda()
    backends()
    return 0


def _cuda() -> None:
    """Print what there is for CUDA devices. That there is nothing is no error."""
    try:
        library = native.load_cuda()
        print(f"cuda      libcpab_cuda {library.version}, ABI {library.abi_version}, {library.build_info}")
    except NativeLibraryError as error:
        print(f"cuda      no libcpab_cuda: {error.received}. {error.remedy}")
    print(f"          {driver.described()}")


def backends() -> int:
    """Print the installed backends and their state."""
    for entry in cpabx.available_backends():
        state = entry.problem or f"{entry.framework}; {', '.join(sorted(entry.supports)) or 'transforms only'}"
        print(f"backend   {entry.name} ({entry.distribution}): {state}")
        for note in entry.notes:
            print(f"          {note}")
    return 0


OWN = {"info": info, "backends": backends}


def added() -> dict[str, str]:
    """The commands of other packages: by name, what brings them."""
    found = {entry.name: entry.dist.name if entry.dist else entry.value for entry in entry_points(group=GROUP)}
    return {"experiment": "cpabx-experiments"} | {name: package for name, package in found.items() if name not in OWN}


def run_added(name: str, arguments: list[str]) -> int:
    """Run a command of another package. Returns its exit status.

    Raises:
        MissingPackageError: the package is not installed.
        BackendLoadError: importing the command fails.
    """
    for entry in entry_points(group=GROUP, name=name):
        package = entry.dist.name if entry.dist else entry.value
        with calling(entry, f"the command {name!r} ({package})"):
            command = entry.load()
        return int(command(arguments))
    package = added()[name]
    raise MissingPackageError(
        f"{name} is a command of {package}", "an environment without it", f"pip install {package}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a command. Returns its exit status: 1 where the user can mend what is wrong, 2 for a wrong command line."""
    given = sys.argv[1:] if arguments is None else arguments
    parser = argparse.ArgumentParser("python -m cpabx", description="Ask cpabx about itself, or do an experiment.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in OWN.items():
        commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
    for name, package in added().items():
        commands.add_parser(name, help=f"A command of {package}.")
    is_own = not given or given[0] not in added()
    chosen = parser.parse_args(given).command if is_own else given[0]
    try:
        return OWN[chosen]() if is_own else run_added(chosen, given[1:])
    except CpabxError as error:
        print(f"python -m cpabx {chosen}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
