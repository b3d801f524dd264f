"""What every engine does with data before a framework sees it: order, shares of processes, schedule, random numbers.

All of it comes from numpy and (seed, epoch), so that there is no generator whose state a checkpoint would have to keep.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cpabx.errors import ShapeError
from cpabx_experiments.data.dataset import Dataset, Pairs
from cpabx_experiments.protocol.network import Network
from cpabx_experiments.training.engines import Array, Augment, Training

#: Numbers that a batch of images may have where nothing is learned: some 1,000 distorted digits.
EVALUATION = 2_000_000


@dataclass(frozen=True)
class Batch:
    """The share of one process in one batch.

    Attributes:
        images: (n, H, W, C) float32; of pairs (2 n, H, W, C), the left ones first.
        targets: (n,) int64 classes, or (n, outputs) float32.
        keep: (n, 1 or number of features) float32 factors of the last features: 0 where dropout leaves one out.
        weights: (n,) float32, 1, or 0 for the image that stands in where a process would have none.
        size: of the whole batch.
        rate: learning rate of the step.
    """

    images: Array
    targets: Array
    keep: Array
    weights: Array
    size: int
    rate: float


@dataclass(frozen=True)
class Share:
    """Which of how many processes."""

    rank: int = 0
    world: int = 1

    def of(self, n: int) -> tuple[Array, Array]:
        """The places of a batch of n that are this process's, at least one, and their weights."""
        places = np.array_split(np.arange(n), self.world)[self.rank]
        return (places, np.ones(len(places), np.float32)) if len(places) else (np.array([0]), np.zeros(1, np.float32))


def batches(
    data: Dataset | Pairs,
    network: Network,
    training: Training,
    *,
    seed: int,
    epoch: int,
    share: Share,
    augment: Augment | None = None,
) -> Iterator[Batch]:
    """The batches of an epoch, counted from 0; every process draws the same numbers, and takes its share of them."""
    order = np.random.default_rng((seed, epoch)).permutation(len(data))
    steps = -(-len(data) // training.batch)
    for step in range(steps):
        indices = order[step * training.batch : (step + 1) * training.batch]
        places, weights = share.of(len(indices))
        rng = np.random.default_rng((seed, epoch, step))
        keep = _keep(len(indices), network, training.dropout, rng)[places]
        images = images_of(data, indices if augment else indices[places])
        if augment:
            images = augmented(images, augment, rng)[_both(places, len(indices), network)]
        rate = learning_rate(training, (epoch * steps + step) / (training.epochs * steps))
        yield Batch(images, targets_of(data, indices[places]), keep, weights, len(indices), rate)


def _both(places: Array, n: int, network: Network) -> Array:
    """The places of both images of pairs."""
    return np.concatenate([places, n + places]) if network.task == "pairs" else places


def _keep(n: int, network: Network, dropout: float, rng: np.random.Generator) -> Array:
    if not dropout:
        return np.ones((n, 1), np.float32)
    kept = rng.random((n, network.classifier.outputs(network.seen)), np.float32) >= dropout
    return kept.astype(np.float32) / np.float32(1 - dropout)


def augmented(images: Array, augment: Augment, rng: np.random.Generator) -> Array:
    """Raises ShapeError if they have another size afterwards."""
    changed = np.ascontiguousarray(augment(images, rng), np.float32)
    if changed.shape != images.shape:
        raise ShapeError(f"augment must return images {images.shape}", f"{changed.shape}", "Keep their size.")
    return changed


def learning_rate(training: Training, done: float) -> float:
    """After that share of all steps."""
    if training.schedule == "cosine":
        return training.learning_rate * 0.5 * (1 + math.cos(math.pi * done))
    return training.learning_rate


def as_float(images: Array) -> Array:
    """float32 in [0, 1], also of uint8."""
    if images.dtype == np.uint8:
        return np.asarray(images, np.float32) / np.float32(255)
    return np.ascontiguousarray(images, np.float32)


def images_of(data: Dataset | Pairs, indices: Array) -> Array:
    """As :class:`Batch` has them."""
    if isinstance(data, Pairs):
        indices = np.concatenate([data.left[indices], data.right[indices]])
    return as_float(data.images[indices])


def targets_of(data: Dataset | Pairs, indices: Array) -> Array:
    """As :class:`Batch` has them."""
    if isinstance(data, Pairs):
        return np.asarray(data.same[indices], np.float32)[:, None]
    return np.asarray(data.labels[indices], np.int64 if data.labels.ndim == 1 else np.float32)


def slices(n: int, network: Network) -> Iterator[slice]:
    """Parts of n images, or pairs, for when nothing is learned."""
    part = max(1, EVALUATION // math.prod(network.image))
    return (slice(start, start + part) for start in range(0, n, part))


def right(logits: Array, targets: Array) -> Array:
    """(n,) float64: 1 where an answer is right, 0 where it is wrong; of attributes, the share of right ones."""
    if targets.ndim == 1:
        return np.asarray(logits.argmax(1) == targets, np.float64)
    return np.asarray(((logits > 0) == (targets > 0.5)).mean(1, dtype=np.float64))


def check_images(images: Array, network: Network) -> None:
    """Raises ShapeError unless the network takes them."""
    if images.shape[1:] != network.image:
        height, width, channels = network.image
        raise ShapeError(
            f"images of this network must be (N, {height}, {width}, {channels})", f"{images.shape}", "Resize them."
        )


def check(data: Dataset | Pairs, network: Network) -> None:
    """Raises ShapeError unless the network can be trained on the data, or asked about them."""
    check_images(data.images, network)
    if not len(data):
        raise ShapeError(f"{data.name} must have something to learn from", "nothing", "Take at least one image.")
    if isinstance(data, Pairs) != (network.task == "pairs"):
        raise ShapeError(f"data for {network.task}", f"{type(data).__name__} {data.name}", "Choose other data.")
    if isinstance(data, Dataset):
        _check_labels(data, network)


def _check_labels(data: Dataset, network: Network) -> None:
    labels, n = data.labels, network.outputs
    if network.task == "attributes" and labels.shape != (len(data), n):
        raise ShapeError(f"labels of {data.name} must be ({len(data)}, {n})", f"{labels.shape}", "Change the outputs.")
    if network.task == "classes" and (labels.ndim != 1 or labels.min() < 0 or labels.max() >= n):
        raise ShapeError(
            f"labels of {data.name} must be ({len(data)},) integers from 0 to {n - 1}",
            f"{labels.shape} from {labels.min()} to {labels.max()}",
            "Change the outputs.",
        )
