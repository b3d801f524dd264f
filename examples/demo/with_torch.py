"""The models in torch: made, trained, asked."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from protocol import (
    BATCH,
    CANVAS,
    CLASSIFIER_FILTERS,
    LEARNING_RATE,
    LOCALIZATION_FILTERS,
    LOCALIZATION_WIDTH,
    VIEW,
    Model,
)
from torch import Tensor, nn

import cpabx

Array = NDArray[np.float32]
VERSION = f"torch {torch.__version__}"


def prepare(threads: int) -> None:
    """To be called once, before anything else."""
    cpabx.set_backend("torch")
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)


def convolutions(filters: tuple[int, ...]) -> list[nn.Module]:
    """5x5 convolutions, each followed by a maximum over 2x2 pixels, and flat features."""
    stages = [[nn.LazyConv2d(n, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)] for n in filters]
    return [*(layer for stage in stages for layer in stage), nn.Flatten()]


def localization() -> nn.Module:
    """From the canvas to features of where and how the digit is; half the resolution suffices for that."""
    return nn.Sequential(
        nn.AvgPool2d(2), *convolutions(LOCALIZATION_FILTERS), nn.LazyLinear(LOCALIZATION_WIDTH), nn.ReLU()
    )


def view(layer: str | None) -> nn.Module:
    """From the canvas to the image that the classifier sees."""
    if layer is None:
        return nn.AvgPool2d(CANVAS // VIEW)
    networks = (localization(), localization()) if layer == "STAffineCPAB" else localization()
    spatial_transformer = getattr(cpabx.layers, layer)
    return spatial_transformer(localization=networks, input_shape=(1, CANVAS, CANVAS), output_size=(VIEW, VIEW))


def build(model: Model, hidden: int, seed: int) -> nn.Sequential:
    """A network of images (N, 1, 42, 42) to logits (N, 10); its first layer is the view."""
    torch.manual_seed(seed)
    classifier = [*convolutions(CLASSIFIER_FILTERS), nn.LazyLinear(hidden), nn.ReLU(), nn.Linear(hidden, 10)]
    network = nn.Sequential(view(model.layer), *classifier)
    network(torch.zeros(1, 1, CANVAS, CANVAS))  # creates the lazy parameters
    return network


def count(network: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def train(
    network: nn.Module, images: Array, labels: NDArray[np.int64], *, epochs: int, seed: int, tick: Callable[[], None]
) -> list[float]:
    """Minimise the cross entropy; calls tick after each epoch. Returns seconds per epoch."""
    x, y = _tensor(images), torch.from_numpy(labels)
    shuffle = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * -(-len(x) // BATCH))
    seconds = []
    network.train()
    for _ in range(epochs):
        start = time.perf_counter()
        for batch in torch.randperm(len(x), generator=shuffle).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
            optimizer.step()
            schedule.step()
        seconds.append(time.perf_counter() - start)
        tick()
    return seconds


def predict(network: nn.Module, images: Array) -> NDArray[np.int64]:
    """(N,) labels."""
    return _run(network, images).argmax(1).numpy()


def views(network: nn.Sequential, images: Array) -> Array:
    """(N, 21, 21): the images as the classifier sees them."""
    return _run(network[0], images)[:, 0].numpy()


def _run(network: nn.Module, images: Array) -> Tensor:
    network.eval()
    with torch.inference_mode():
        return torch.cat([network(batch) for batch in _tensor(images).split(500)])


def _tensor(images: Array) -> Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
