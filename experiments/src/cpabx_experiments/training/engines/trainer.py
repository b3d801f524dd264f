"""What the trainers of both frameworks have in common: everything but the framework."""

from __future__ import annotations

import abc
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from cpabx.errors import OptionError, ShapeError
from cpabx_experiments.data.dataset import Dataset, Pairs
from cpabx_experiments.protocol.initial import initial_weights
from cpabx_experiments.protocol.network import Network, shapes
from cpabx_experiments.training.engines import (
    Array,
    Augment,
    Epoch,
    Training,
    TrainingDivergedError,
    batches,
    checkpoints,
)
from cpabx_experiments.training.engines.batches import Batch, Share
from cpabx_experiments.training.engines.checkpoints import State


class BaseTrainer(abc.ABC):
    """See :class:`cpabx_experiments.training.engines.Trainer`."""

    parameters: int

    def __init__(self, network: Network, training: Training, seed: int, augment: Augment | None, share: Share) -> None:
        self.network, self.training, self.seed, self.augment, self.share = network, training, seed, augment, share
        self.epoch = 0
        if seed < 0:
            raise OptionError("seed must be at least 0", f"{seed}", "Choose another.")
        self._build()
        self.set_weights(initial_weights(network, seed))

    # -- the framework's part --------------------------------------------------------------------

    @abc.abstractmethod
    def _build(self) -> None:
        """Makes the network, and sets ``parameters``."""

    @abc.abstractmethod
    def _step(self, batch: Batch) -> tuple[float, Array]:
        """Trains on a batch. Returns the sum of this process's losses, and its logits."""

    @abc.abstractmethod
    def _logits(self, images: Array) -> Array: ...

    @abc.abstractmethod
    def _view(self, images: Array) -> Array: ...

    @abc.abstractmethod
    def _theta(self, images: Array) -> Array: ...

    @abc.abstractmethod
    def _sum(self, numbers: Array) -> Array:
        """Over all processes."""

    @abc.abstractmethod
    def _diverged(self, error: Exception) -> bool:
        """Whether a step failed because its numbers left the range of their type."""

    @abc.abstractmethod
    def weights(self) -> list[Array]: ...

    @abc.abstractmethod
    def _assign(self, weights: Sequence[Array]) -> None: ...

    @abc.abstractmethod
    def _state(self) -> State: ...

    @abc.abstractmethod
    def _restore(self, state: State) -> None:
        """Sets Adam's state."""

    # -- training --------------------------------------------------------------------------------

    def train(self, data: Dataset | Pairs) -> Epoch:
        batches.check(data, self.network)
        if self.epoch >= self.training.epochs:
            raise OptionError(f"{self.training.epochs} epochs", "a call to train for one more", "Ask for more epochs.")
        start = time.perf_counter()
        with self._in_range():
            loss, accuracy = self._epoch(data)
        if not np.isfinite(loss):
            raise self._divergence(f"a loss of {loss}")
        self.epoch += 1
        return Epoch(loss, accuracy, time.perf_counter() - start)

    @contextlib.contextmanager
    def _in_range(self) -> Iterator[None]:
        """The last step of an epoch may leave weights with which no transformation can be computed."""
        try:
            yield
        except Exception as error:
            if self._diverged(error):
                raise self._divergence(str(error)) from error
            raise

    def _epoch(self, data: Dataset | Pairs) -> tuple[float, float]:
        """Means over the images of all processes."""
        losses, right = 0.0, 0.0
        options = {"seed": self.seed, "epoch": self.epoch, "share": self.share, "augment": self.augment}
        for batch in batches.batches(data, self.network, self.training, **options):  # type: ignore[arg-type]
            loss, logits = self._step(batch)
            losses += loss
            right += float(batches.right(logits, batch.targets) @ batch.weights)
        losses, right = self._sum(np.array([losses, right])) / len(data)
        return float(losses), float(right)

    def _divergence(self, reason: str) -> TrainingDivergedError:
        return TrainingDivergedError(
            f"training must stay in the range of its numbers, after {self.epoch} of {self.training.epochs} epochs",
            reason,
            f"Lower the learning rate, which is {self.training.learning_rate:g}.",
        )

    # -- questions -------------------------------------------------------------------------------

    def predict(self, data: Dataset | Pairs) -> Array:
        batches.check(data, self.network)
        indices = np.arange(len(data))
        parts = [indices[part] for part in batches.slices(len(data), self.network)]
        with self._in_range():
            return np.concatenate([self._logits(batches.images_of(data, part)) for part in parts])

    def accuracy(self, data: Dataset | Pairs) -> float:
        targets = batches.targets_of(data, np.arange(len(data)))
        return float(batches.right(self.predict(data), targets).mean())

    def views(self, images: Array) -> Array:
        return self._each(self._view, images)

    def theta(self, images: Array) -> Array:
        if self.network.transformer is None:
            raise OptionError("theta of a network with a transformer", "a network without", "Ask another one.")
        return self._each(self._theta, images)

    def _each(self, ask: Callable[[Array], Array], images: Array) -> Array:
        batches.check_images(images, self.network)
        parts = batches.slices(len(images), self.network)
        with self._in_range():
            return np.concatenate([ask(batches.as_float(images[part])) for part in parts])

    # -- state -----------------------------------------------------------------------------------

    def set_weights(self, weights: Sequence[Array]) -> None:
        expected, given = shapes(self.network), [np.shape(weight) for weight in weights]
        if expected != given:
            raise ShapeError(f"weights must be {expected}", f"{given}", "Take those of the same network.")
        self._assign(weights)

    def save(self, path: Path) -> None:
        if self.share.rank == 0:
            checkpoints.write(path, self._state(), self._described)

    def load(self, path: Path) -> None:
        state = checkpoints.read(path, self.network, self._described)
        self._assign(state.weights)
        self._restore(state)
        self.epoch = state.epoch

    @property
    def _described(self) -> dict[str, object]:
        return checkpoints.identity(self.network, self.training, self.seed)
