"""Files that a training goes on from: weights, Adam's state and the number of epochs, the same in both frameworks."""

from __future__ import annotations

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cpabx_experiments import files, reading
from cpabx_experiments.protocol.network import Network, shapes
from cpabx_experiments.training.engines import Array, CheckpointError, Training

FORMAT = 1


@dataclass(frozen=True)
class State:
    """All that changes in training.

    Attributes:
        epoch: how many are done.
        step: how many Adam has made.
        weights, means, squares: one array each per weight, as
            :func:`cpabx_experiments.protocol.network.shapes` has them; Adam's running means of the
            gradient and of its square.
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
    """All or nothing: a file that is interrupted, or for which there is no space, leaves the one before in its place.

    Raises:
        ExperimentError: it cannot be written.
    """
    header = json.dumps({"format": FORMAT, "epoch": state.epoch, "step": state.step, **described})
    arrays = {
        f"{kind}_{i}": array for kind in ("weights", "means", "squares") for i, array in enumerate(getattr(state, kind))
    }
    content = io.BytesIO()
    np.savez(content, header=np.array(header), **arrays)
    files.write(path, content.getvalue())


def read(path: Path, network: Network, described: dict[str, Any]) -> State:
    """Raises CheckpointError if it cannot be read, or belongs to something else."""
    try:
        with reading.opened(path) as opened, np.load(opened, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            _check(path, header, described)
            parts = {kind: _arrays(file, kind, network) for kind in ("weights", "means", "squares")}
            return State(int(header["epoch"]), int(header["step"]), **parts)
    except CheckpointError:
        raise
    except Exception as error:  # zipfile, zlib, numpy and json raise whatever they like of a damaged file
        raise CheckpointError(
            f"{path} must be a checkpoint of a training", f"{type(error).__name__}: {error}", "Start without it."
        ) from error


def _arrays(file: Any, kind: str, network: Network) -> list[Array]:
    found = [file[f"{kind}_{i}"] for i in range(len(shapes(network)))]
    for i, (array, shape) in enumerate(zip(found, shapes(network), strict=True)):
        if array.shape != shape or array.dtype != np.float32:
            raise ValueError(f"{kind}_{i} of {array.shape} {array.dtype}, not {shape} float32")
    return found


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
