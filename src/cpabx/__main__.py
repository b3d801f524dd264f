"""``python -m cpabx info``, ``python -m cpabx backends`` and ``python -m cpabx experiment``."""

from __future__ import annotations

import argparse
import platform
import sys

import cpabx
from cpabx import hookspecs, native
from cpabx.errors import CpabxError, NativeLibraryError, OptionError


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
    backends()
    return 0


def backends() -> int:
    """Print the installed backends and their state."""
    for entry in cpabx.available_backends():
        state = entry.problem or f"{entry.framework}; {', '.join(sorted(entry.supports)) or 'transforms only'}"
        print(f"backend   {entry.name} ({entry.distribution}): {state}")
        for note in entry.notes:
            print(f"          {note}")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m cpabx", description="Ask cpabx about itself, or do an experiment.")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (info, backends):
        commands.add_parser(command.__name__, help=(command.__doc__ or "").splitlines()[0])
    commands.add_parser("experiment", help="Do an experiment of the paper, or digits.", add_help=False)
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["experiment"]:
        from cpabx.experiments import cli

        return cli.main(given[1:])
    chosen = parser.parse_args(given).command
    try:
        return {"info": info, "backends": backends}[chosen]()
    except CpabxError as error:
        print(f"python -m cpabx {chosen}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
