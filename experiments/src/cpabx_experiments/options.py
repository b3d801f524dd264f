"""The command line of ``python -m cpabx experiment``, and what can be wrong about it."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cpabx.basis import BASES
from cpabx.errors import MissingPackageError, OptionError
from cpabx_experiments.kinds import shows_samples
from cpabx_experiments.protocol.experiments import NAMES, Protocol, changed, protocol
from cpabx_experiments.training.engines import ENGINES

#: Modules beside a framework, and the packages that have them.
PACKAGES = {"rich": "rich", "matplotlib": "matplotlib", "PIL": "Pillow"}
#: That one experiment alone asks for.
OWN_PACKAGES = {"digits": {"sklearn": "scikit-learn"}}


@dataclass(frozen=True)
class Options:
    """What was asked for.

    Attributes:
        name: of the experiment.
        backend: ``"torch"`` or ``"tensorflow"``.
        protocol: None for speed, which trains nothing.
        data: folder of all data sets.
        out: folder of the results.
        mode: ``"resume"``, ``"fresh"`` or None.
        device, threads: as the framework has them; None leaves it the choice.
        full: the paper's protocol.
        download: data sets that are not there.
        dry_run: only say what would be done.
        show: pictures of the user's to show in the end as each network sees them.
    """

    name: str
    backend: str
    protocol: Protocol | None
    data: Path
    out: Path
    mode: str | None
    device: str | None
    threads: int | None
    full: bool
    download: bool
    dry_run: bool
    show: tuple[Path, ...] = ()


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Parse the command line.

    Raises:
        OptionError: an experiment or a backend does not exist, or has no such option.
    """
    o = _parser().parse_args(arguments)
    if o.backend not in ENGINES:
        raise OptionError(f"--backend is one of {', '.join(ENGINES)}", repr(o.backend), "Choose one.")
    if o.show and not shows_samples(o.name):
        raise OptionError("--show is for experiments that make samples.png", o.name, "Leave it out.")
    out = o.out or Path("results", f"{o.name}-{o.backend}{'-full' if o.full else ''}{f'-{o.basis}' if o.basis else ''}")
    return Options(
        name=o.name,
        backend=o.backend,
        protocol=_protocol(o),
        data=o.data,
        out=out,
        mode=o.mode,
        device=o.device,
        threads=o.threads,
        full=o.full,
        download=o.download,
        dry_run=o.dry_run,
        show=tuple(o.show),
    )


def _protocol(o: argparse.Namespace) -> Protocol | None:
    if o.name != "speed":
        found, numbers = protocol(o.name, full=o.full), {"epochs": o.epochs, "subset": o.subset, "seeds": o.seeds}
        return changed(found, **numbers, models=o.models, basis=o.basis)
    given = {"epochs": o.epochs, "subset": o.subset, "seeds": o.seeds, "models": o.models or None, "basis": o.basis}
    given |= {"full": o.full or None, o.mode: o.mode}
    if unused := [f"--{name}" for name, value in given.items() if value is not None]:
        raise OptionError("speed trains nothing, so it has no such options", ", ".join(unused), "Leave them out.")
    return None


def check_packages(name: str) -> None:
    """Raises MissingPackageError if a package that the experiment needs is missing."""
    wanted = PACKAGES | OWN_PACKAGES.get(name, {})
    missing = [package for module, package in wanted.items() if importlib.util.find_spec(module) is None]
    if missing:
        remedy = "Run: pip install cpabx-experiments"
        raise MissingPackageError("experiments need more packages", f"no {', '.join(missing)}", remedy)


def _at_least_one(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1; got {text!r}")
    return number


def _parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser("python -m cpabx experiment", description="Do an experiment of the paper, or digits.")
    p.add_argument("name", metavar="NAME", help=f"one of {', '.join(NAMES)}")
    p.add_argument("--backend", default="torch", help="torch (default) or tensorflow")
    p.add_argument("--data", type=Path, default=Path("data"), metavar="DIR", help="folder of data sets (default: data)")
    p.add_argument("--download", action="store_true", help="get what is missing of the data set first")
    p.add_argument("--full", action="store_true", help="the paper's protocol, for a GPU, not the reduced one")
    p.add_argument("--epochs", type=_at_least_one, metavar="N", help="of each training, if not the protocol's")
    p.add_argument("--subset", type=_at_least_one, metavar="N", help="training images or pairs, if not the protocol's")
    p.add_argument("--seeds", type=_at_least_one, metavar="N", help="trainings of each network (seeds 0 to N - 1)")
    p.add_argument("--models", nargs="+", default=[], metavar="NAME", help="some of the networks, such as CNN ST-CPAB")
    p.add_argument(
        "--basis", metavar="NAME", help=f"of CPAB: one of {', '.join(BASES)} (default: the paper's, the first)"
    )
    p.add_argument("--device", help="such as cpu, cuda, cuda:1 (torch), gpu:0 (tensorflow); default: cpu in torch")
    p.add_argument("--threads", type=_at_least_one, metavar="N", help="of the framework")
    p.add_argument("--out", type=Path, metavar="DIR", help="folder of results (default: results/NAME-BACKEND)")
    p.add_argument(
        "--show",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="pictures to show as each network sees them, too",
    )
    p.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    again = p.add_mutually_exclusive_group()
    again.add_argument(
        "--resume",
        dest="mode",
        action="store_const",
        const="resume",
        help="there must be a run to go on with; by default one is gone on with if it is there",
    )
    again.add_argument(
        "--fresh", dest="mode", action="store_const", const="fresh", help="forget an earlier run in --out"
    )
    return p


__all__ = ["Options", "check_packages", "parse"]
