"""Files that a training goes on from: weights, Adam's state and the number of epochs, the same in both frameworks."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpabx.experiments.engines import Array, CheckpointError, Training
from cpabx.experiments.network import Network, shapes

FORMAT = 1


@dataclass(frozen=True)
class State:
    """All that changes in training.

    Attributes:
        epoch: how many are done.
        step: how many Adam has made.
        weights, means, squares: one array each per weight, as :func:`cpabx.experiments.network.shapes` has them;
            Adam's running means of the gradient and of its square.
    """

    epoch: int
    step: int
    weights: list[Array]
    means: list[Array]
    squares: list[Array]


def identity(network: Network, training: Training, seed: int) -> dict[str, Any]:
    """What a file must have in common with the training that goes on from it."""
    described = {"network": dataclasses.asdict(network), "training": dataclasses.asdict(training), "seed": seed}
    return json.loads(json.dumps(described))  # type: ignore[no-any-return]


def write(path: Path, state: State, described: dict[str, Any]) -> None:
    """All or nothing: a file that is interrupted leaves the one before in its place."""
    header = json.dumps({"format": FORMAT, "epoch": state.epoch, "step": state.step, **described})
    arrays = {
        f"{kind}_{i}": array for kind in ("weights", "means", "squares") for i, array in enumerate(getattr(state, kind))
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, header=np.array(header), **arrays)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read(path: Path, network: Network, described: dict[str, Any]) -> State:
    """Raises CheckpointError if it cannot be read, or belongs to something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            n = len(shapes(network))
            _check(path, header, described)
            parts = {kind: [file[f"{kind}_{i}"] for i in range(n)] for kind in ("weights", "means", "squares")}
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"{path} must be a checkpoint of a training", f"{type(error).__name__}: {error}", "Start without it."
        ) from error
    return State(header["epoch"], header["step"], **parts)


def _check(path: Path, header: dict[str, Any], described: dict[str, Any]) -> None:
    if header["format"] != FORMAT:
        raise CheckpointError(f"{path} must have format {FORMAT}", f"{header['format']}", "Start without it.")
    differing = [_difference(name, described[name], header[name]) for name in described]
    if found := "; ".join(filter(None, differing)):
        raise CheckpointError(
            f"{path} must be a checkpoint of this training", f"one of another: {found}", "Start without it, or use its."
        )


def _difference(name: str, here: Any, there: Any) -> str:
    """The first thing in which two descriptions differ, or nothing."""
    if here == there:
        return ""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in here:
            if difference := _difference(f"{name}.{key}", here[key], there.get(key)):
                return difference
    return f"{name} is {there!r} there, {here!r} here"
