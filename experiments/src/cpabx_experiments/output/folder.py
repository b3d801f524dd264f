"""The folder of an experiment: whose results it holds, and how to go on with them or start over.

Its configuration lists every file that runs have written or may write there. What is not on the list is somebody
else's: it is neither removed nor written over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cpabx_experiments import reading
from cpabx_experiments.errors import ExperimentError
from cpabx_experiments.files import alone, check_folder, unwritable, write
from cpabx_experiments.output import aside
from cpabx_experiments.output.report import versions
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.jobs import jobs
from cpabx_experiments.training import records
from cpabx_experiments.training.engines import Engine
from cpabx_experiments.training.run import FOLDER, record_of, weights_of

CONFIGURATION = "configuration.json"
#: Says in a configuration that it is one of ours.
MADE_BY = "cpabx experiment"

#: What a list of files may name: no place but the folder and its checkpoints.
_NAME = re.compile(rf"({FOLDER}/)?[A-Za-z0-9][A-Za-z0-9._-]*\.(npz|json|csv|md|png)")


@dataclass(frozen=True)
class Claim:
    """What a run wants of a folder.

    Attributes:
        out: the folder. It need not exist.
        settings: of the run.
        files: that the run may write, below the folder.
        mode: ``"resume"``: there must be something to go on with; ``"fresh"``: what an earlier run left is replaced;
            None: goes on if there is something.
    """

    out: Path
    settings: dict[str, Any]
    files: frozenset[str]
    mode: str | None = None


def settings(name: str, backend: str, protocol: Protocol | None) -> dict[str, Any]:
    """What two parts of one run must have in common: all but which networks, and which seeds."""
    common = {**dataclasses.asdict(protocol), "models": None, "seeds": None} if protocol else None
    found = {"experiment": name, "backend": backend, "protocol": common}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # JSON has no tuples


def files_of(out: Path, protocol: Protocol, reports: Sequence[str]) -> frozenset[str]:
    """Names of all that a run writes: reports, and a record and weights of each job."""
    paths = [place(out, job) for job in jobs(protocol) for place in (record_of, weights_of)]
    return frozenset([*reports, *(path.relative_to(out).as_posix() for path in paths)])


def check(claim: Claim) -> None:
    """Looks whether the folder is free, or belongs to the same run, and changes nothing.

    Raises:
        ExperimentError: the folder takes no files, holds another run or is another one's; or there is nothing to go on
            with.
    """
    out, mode = claim.out, claim.mode
    check_folder(out)
    check_folder(out / FOLDER)
    both = [found for place in (out / aside.BEFORE, out) if (found := _read(place / CONFIGURATION))]
    if mode == "fresh":
        if (out / FOLDER).is_symlink():
            raise ExperimentError(
                f"--fresh removes files in {out / FOLDER}", "a link to another folder", "Choose another --out."
            )
    elif both:
        if differing := _difference("", claim.settings, both[0]["settings"]):
            raise ExperimentError(
                f"{out} must hold a run with these settings",
                f"one with others: {differing}",
                "Choose another --out, or --fresh.",
            )
    elif mode == "resume":
        raise ExperimentError(f"--resume needs a run to go on with in {out}", "none", "Leave --resume out.")
    ours = {CONFIGURATION, *(name for found in both for name in found["files"])} if both else set()
    if theirs := sorted(name for name in claim.files - ours if os.path.lexists(out / name)):
        raise ExperimentError(
            f"{out} must be free for the files of a run",
            f"files that no run there has written: {_some(theirs)}",
            "Choose another --out, or move them away.",
        )


@contextlib.contextmanager
def taken(claim: Claim, engine: Engine, protocol: Protocol | None) -> Iterator[Callable[[], None]]:
    """Has the folder for itself, with this run's configuration in it, as long as the context lasts.

    Yields:
        What is to be called as soon as there are results: those from before ``--fresh`` are removed then, and put back
        if something fails earlier.

    Raises:
        ExperimentError: as :func:`check`, or another run is in the folder; or the folder cannot be written to.
    """
    out = claim.out
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(out, error) from error
    with alone(out):
        _mend(out)
        check(claim)
        earlier = _read(out / CONFIGURATION)
        old, fresh = frozenset(earlier["files"] if earlier else ()), claim.mode == "fresh"
        listed = claim.files if fresh else claim.files | old
        replaced = aside.set_aside(out, old, CONFIGURATION, claim.files) if fresh and earlier else _nothing()
        with replaced as forget:
            write(out / CONFIGURATION, _configuration(claim, sorted(listed), engine, protocol))
            yield forget


@contextlib.contextmanager
def _nothing() -> Iterator[Callable[[], None]]:
    yield lambda: None


def _mend(out: Path) -> None:
    """Ends what a process that was killed had begun."""
    found = _read(out / CONFIGURATION)
    aside.put_back(out, CONFIGURATION, found["files"] if found else ())
    aside.clean(out)


def _configuration(claim: Claim, files: list[str], engine: Engine, protocol: Protocol | None) -> bytes:
    """JSON: the settings, the networks, the seeds, the versions and the machine; and the files of all runs here."""
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "processes": engine.world}
    whole = {
        "made by": MADE_BY,
        "settings": claim.settings,
        "models": protocol and protocol.models,
        "seeds": protocol and protocol.seeds,
        "versions": versions(engine),
        "machine": machine,
        "files": files,
    }
    return (json.dumps(whole, indent=2) + "\n").encode()


def _read(path: Path) -> dict[str, Any] | None:
    """A configuration, or None where there is none."""
    try:
        found = json.loads(reading.content(path, 16 << 20))
        problem = "" if _is_ours(found) else "a file of something else"
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        problem = f"{type(error).__name__}: {error}"
    if problem:
        remedy = "Choose another --out, or move the file away."
        raise ExperimentError(f"{path} must be the configuration of a run", problem, remedy)
    return found  # type: ignore[no-any-return]


def _is_ours(found: Any) -> bool:
    if not isinstance(found, dict) or found.get("made by") != MADE_BY or not isinstance(found.get("settings"), dict):
        return False
    files = found.get("files")
    return isinstance(files, list) and all(isinstance(name, str) and _NAME.fullmatch(name) for name in files)


def _difference(name: str, here: Any, there: Any) -> str:
    """The first thing in which settings differ, or nothing."""
    if isinstance(here, dict) and isinstance(there, dict):
        return next(filter(None, (_difference(key, here[key], there.get(key)) for key in here)), "")
    return "" if here == there else f"{name} is {there!r} there and {here!r} here"


def others(out: Path) -> str:
    """What of the folder's files no run has written, in words; nothing if there are none."""
    found = _read(out / CONFIGURATION)
    ours = {CONFIGURATION, FOLDER, "cache", *(found["files"] if found else ())}
    names = [path.relative_to(out).as_posix() for place in (out, out / FOLDER) for path in sorted(place.glob("*"))]
    return _some([name for name in names if name not in ours])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 5} others" if len(names) > 5 else ""
    return ", ".join(map(reading.named, names[:5])) + more


def complete(out: Path, protocol: Protocol) -> int:
    """How many of the protocol's jobs are."""
    found = (records.read(record_of(out, job)) for job in jobs(protocol))
    return sum(record is not None and record.complete for record in found)


__all__ = ["CONFIGURATION", "Claim", "check", "complete", "files_of", "others", "settings", "taken"]
