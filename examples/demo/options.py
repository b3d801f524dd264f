"""The command line, and what can be wrong about it."""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path

from protocol import EPOCHS, Run

#: Modules that the demo needs beside cpabx, and what to install for them.
PACKAGES = {"numpy": "numpy", "sklearn": "scikit-learn", "matplotlib": "matplotlib", "rich": "rich"}
BACKENDS = {
    "torch": {"cpabx_torch": "cpabx-torch", "torch": "torch"},
    "tensorflow": {"cpabx_tensorflow": "cpabx-tensorflow[tensorflow-cpu]", "tensorflow": "tensorflow-cpu"},
}


class DemoError(Exception):
    """Something the user can mend; its text says how."""


def parse(arguments: list[str] | None = None) -> tuple[Run, Path, int]:
    """What to run, where to write, and how many threads to use.

    Raises:
        DemoError: an option is impossible, or a package is missing.
    """
    o = _parser().parse_args(arguments)
    if o.backend not in BACKENDS:
        raise DemoError(f"no backend {o.backend!r} in this demo; choose one of {', '.join(BACKENDS)}.")
    for name, value in (("seeds", o.seeds), ("epochs", o.epochs), ("threads", o.threads)):
        if value is not None and value < 1:
            raise DemoError(f"--{name} must be at least 1; got {value}.")
    if o.first_seed < 0:
        raise DemoError(f"--first-seed must not be negative; got {o.first_seed}.")
    _check_packages({"cpabx": "cpabx", **PACKAGES, **BACKENDS[o.backend]})
    check_folder(o.out)
    seeds = tuple(range(o.first_seed, o.first_seed + (o.seeds or (1 if o.quick else 3))))
    if o.quick:
        return Run(o.backend, seeds, o.epochs or 1, train_digits=200, test_digits=100), o.out, o.threads
    return Run(o.backend, seeds, o.epochs or EPOCHS), o.out, o.threads


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="demo", description="Seven networks on distorted handwritten digits.")
    p.add_argument("--backend", default="torch", help="torch (default) or tensorflow")
    p.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results (default: demo)")
    p.add_argument("--seeds", type=int, help="how many trainings of each network (default: 3)")
    p.add_argument("--first-seed", type=int, default=0, help="their first seed (default: 0)")
    p.add_argument("--epochs", type=int, help=f"of each training (default: {EPOCHS})")
    # One: batches are so small that a second thread gains nothing, and loses much if a core is shared.
    p.add_argument("--threads", type=int, default=1, help="of the framework (default: 1)")
    p.add_argument("--quick", action="store_true", help="few images, one seed, one epoch: only to see it work")
    return p


def _check_packages(packages: dict[str, str]) -> None:
    missing = [package for module, package in packages.items() if importlib.util.find_spec(module) is None]
    if missing:
        raise DemoError(f"missing {', '.join(missing)}; install with: pip install {' '.join(missing)}")


def check_folder(out: Path) -> None:
    """Raises DemoError unless the folder exists, or can be made, and takes files."""
    if out.exists() and not out.is_dir():
        raise DemoError(f"--out must be a folder; {str(out)!r} is a file.")
    nearest = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise DemoError(f"--out {str(out)!r} cannot be written to: {str(nearest)!r} takes no files.")
