"""What trains networks: one engine per framework, with the same interface and the same mathematics.

The initial weights and the order of the images come from numpy and a seed, so both frameworks start from the same
network and see the same batches. See :func:`load_engine`.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cpabx.errors import CpabxError, MissingPackageError, OptionError
from cpabx_experiments.protocol.network import Network

if TYPE_CHECKING:
    from cpabx_experiments.data.dataset import Dataset, Pairs

Array = NDArray[Any]

#: Changes float32 images (N, H, W, C) in [0, 1] before they are trained on, with numbers from the generator alone.
Augment = Callable[[Array, np.random.Generator], Array]

ENGINES = {"torch": "with_torch", "tensorflow": "with_keras"}
SCHEDULES = ("constant", "cosine")


class TrainingDivergedError(CpabxError, ArithmeticError):
    """A loss or a transformation left the range of its numbers: the learning rate is too large for the network."""


class CheckpointError(CpabxError, ValueError):
    """A file is no checkpoint, or one of another training."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained; the defaults are the paper's (caption of Table 2).

    Attributes:
        epochs: in all. A constant learning rate does not depend on it.
        batch: images, or pairs, in a step; over all processes. The last batch of an epoch may be smaller.
        learning_rate: of Adam.
        schedule: ``"constant"``, or ``"cosine"``: from the learning rate to 0 along half a cosine.
        dropout: share of the classifier's last features that training leaves out.

    Raises:
        OptionError: a number out of range, or no such schedule.
    """

    epochs: int
    batch: int = 100
    learning_rate: float = 1e-4
    schedule: str = "constant"
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch < 1:
            raise OptionError("epochs and batch must be at least 1", f"{self.epochs} and {self.batch}", "Raise them.")
        if not 0 < self.learning_rate < float("inf"):
            raise OptionError("learning_rate must be positive", f"{self.learning_rate}", "The paper has 1e-4.")
        if not 0 <= self.dropout < 1:
            raise OptionError("dropout must be in [0, 1)", f"{self.dropout}", "0 leaves nothing out.")
        if self.schedule not in SCHEDULES:
            raise OptionError(f"schedule must be one of {', '.join(SCHEDULES)}", repr(self.schedule), "Choose one.")


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training was like.

    Attributes:
        loss: mean over the images, each as the network was when it saw it.
        accuracy: likewise; of attributes, the share of right ones.
        seconds: by the clock.
    """

    loss: float
    accuracy: float
    seconds: float


class Trainer(Protocol):
    """A network in training. All methods but :meth:`save` are called by every process, with the same arguments.

    Images are float32 in [0, 1], or uint8, (N, H, W, C).

    Attributes:
        parameters: how many the built network has.
        epoch: how many are done.
    """

    network: Network
    training: Training
    seed: int
    parameters: int
    epoch: int

    def train(self, data: Dataset | Pairs) -> Epoch:
        """One epoch.

        Raises:
            TrainingDivergedError: a number is no longer finite. The network is then good for nothing.
        """

    def predict(self, data: Dataset | Pairs) -> Array:
        """(N, outputs) float32 logits."""

    def accuracy(self, data: Dataset | Pairs) -> float:
        """Share of right answers."""

    def views(self, images: Array) -> Array:
        """(N, h, w, C) float32: the images as the classifier sees them."""

    def theta(self, images: Array) -> Array:
        """(N, d) float32. Raises OptionError if the network has no transformer."""

    def weights(self) -> list[Array]:
        """Copies of all weights in the order and layout of :func:`cpabx_experiments.protocol.network.shapes`."""

    def set_weights(self, weights: Sequence[Array]) -> None:
        """Replaces the weights; Adam's state stays."""

    def save(self, path: Path) -> None:
        """Writes weights, Adam's state and the number of epochs, all or nothing."""

    def load(self, path: Path) -> None:
        """Goes on from a file as if training had never stopped.

        Raises:
            CheckpointError: it cannot be read, or belongs to another network, training or seed; nothing is changed.
        """


class Engine(Protocol):
    """A framework.

    Attributes:
        name: ``"torch"`` or ``"tensorflow"``.
        version: e.g. ``"torch 2.13.0"``.
        rank, world: number of this process, and of all; see :meth:`prepare`.
    """

    name: str
    version: str
    rank: int
    world: int

    def prepare(self, threads: int | None = None, device: str | None = None) -> None:
        """To be called once, before any trainer is made: makes the framework deterministic, and joins the others.

        Processes are those of ``torchrun``, or of ``TF_CONFIG``. Each trains on its share of each batch; process 0 is
        the one to write files.

        Args:
            threads: of the framework's operations; its own choice by default. TensorFlow takes it once a process.
            device: ``"cpu"``, or as the framework calls it, ``"cuda:0"`` in torch and ``"gpu:0"`` in TensorFlow.

        Raises:
            DeviceError: this machine has no such device.
        """

    def meet(self) -> None:
        """Returns when every process has called it."""

    def trainer(self, network: Network, training: Training, seed: int, augment: Augment | None = None) -> Trainer:
        """A network with the initial weights of the seed."""


def load_engine(name: str) -> Engine:
    """The engine of a framework, which is imported here.

    Raises:
        OptionError: there is no such engine.
        MissingPackageError: the framework is not installed.
    """
    if name not in ENGINES:
        raise OptionError(f"an engine must be one of {', '.join(ENGINES)}", repr(name), "Choose one.")
    try:
        engine: Engine = importlib.import_module(f"cpabx_experiments.training.engines.{ENGINES[name]}").ENGINE
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"the engine {name!r} needs its framework", str(error), f"Run: pip install cpabx[{name}]"
        ) from error
    return engine
