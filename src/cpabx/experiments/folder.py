"""The folder of an experiment: whose results it holds, and how to go on with them or start over."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from pathlib import Path
from typing import Any

from cpabx.experiments import records
from cpabx.experiments.engines import Engine
from cpabx.experiments.errors import ExperimentError
from cpabx.experiments.files import check_folder
from cpabx.experiments.jobs import jobs
from cpabx.experiments.protocol import Protocol
from cpabx.experiments.report import versions
from cpabx.experiments.run import FOLDER, record_of

CONFIGURATION = "configuration.json"


def settings(name: str, backend: str, protocol: Protocol) -> dict[str, Any]:
    """What two parts of one run must have in common: all but which networks, and which seeds."""
    common = {**dataclasses.asdict(protocol), "models": None, "seeds": None}
    found = {"experiment": name, "backend": backend, "protocol": common}
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]  # JSON has no tuples


def configuration(found: dict[str, Any], protocol: Protocol, engine: Engine) -> bytes:
    """JSON: the settings, the networks, the seeds, the versions and the machine."""
    machine = {"system": platform.platform(), "cores": os.cpu_count(), "processes": engine.world}
    whole = {
        "settings": found,
        "models": protocol.models,
        "seeds": protocol.seeds,
        "versions": versions(engine),
        "machine": machine,
    }
    return (json.dumps(whole, indent=2) + "\n").encode()


def prepare(out: Path, mine: dict[str, Any], mode: str | None) -> None:
    """Checks that the folder is free, or belongs to the same run.

    Args:
        out: the folder. It need not exist.
        mine: settings of this run.
        mode: ``"resume"``: there must be something to go on with; ``"fresh"``: what an earlier run left is removed;
            None: goes on if there is something.

    Raises:
        ExperimentError: the folder takes no files, or holds another run; or there is nothing to go on with.
    """
    check_folder(out)
    if mode == "fresh":
        _clear(out)
        return
    path = out / CONFIGURATION
    if not path.exists():
        if mode == "resume":
            raise ExperimentError(f"--resume needs a run to go on with in {out}", "none", "Leave --resume out.")
        return
    other = _read(path)
    if differing := _difference("", mine, other):
        raise ExperimentError(
            f"{out} must hold a run with these settings",
            f"one with others: {differing}",
            "Choose another --out, or --fresh.",
        )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))["settings"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ExperimentError(f"{path} must be the configuration of a run", repr(error), "Use --fresh.") from error


def _difference(name: str, here: Any, there: Any) -> str:
    """The first thing in which settings differ, or nothing."""
    if isinstance(here, dict) and isinstance(there, dict):
        return next(filter(None, (_difference(key, here[key], there.get(key)) for key in here)), "")
    return "" if here == there else f"{name} is {there!r} there and {here!r} here"


def _clear(out: Path) -> None:
    """Removes what runs write, and nothing else. Other processes may do so at the same time."""
    (out / CONFIGURATION).unlink(missing_ok=True)
    for pattern in ("*.npz", "*.json"):
        for path in (out / FOLDER).glob(pattern):
            path.unlink(missing_ok=True)


def complete(out: Path, protocol: Protocol) -> int:
    """How many of the protocol's jobs are."""
    found = (records.read(record_of(out, job)) for job in jobs(protocol))
    return sum(record is not None and record.complete for record in found)


__all__ = ["CONFIGURATION", "complete", "configuration", "prepare", "settings"]
