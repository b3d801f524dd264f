"""The models and their training in torch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from budget import within_budget
from data import Digits
from protocol import BATCH, CANVAS, FILTERS, KERNEL, LAYER_OUTPUT, LEARNING_RATE, LOCALIZATION_HIDDEN
from torch import nn

import cpabx


def _convolutions() -> list[nn.Module]:
    layers: list[nn.Module] = []
    for filters in FILTERS:
        layers += [nn.LazyConv2d(filters, KERNEL, padding=KERNEL // 2), nn.ReLU(), nn.MaxPool2d(2)]
    return [*layers, nn.Flatten()]


def _localization() -> nn.Module:
    return nn.Sequential(nn.AvgPool2d(2), *_convolutions(), nn.LazyLinear(LOCALIZATION_HIDDEN), nn.ReLU())


def _transformer(layer: str) -> nn.Module:
    localization = (_localization(), _localization()) if layer == "STAffineCPAB" else _localization()
    make = getattr(cpabx.layers, layer)
    shape = (1, CANVAS, CANVAS)
    return make(localization=localization, input_shape=shape, output_size=LAYER_OUTPUT, backend="torch")  # type: ignore[no-any-return]


def n_params(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def build(layer: str | None, seed: int) -> nn.Module:
    """A classifier behind a layer, with as many parameters as any other."""

    def of_width(width: int) -> nn.Module:
        torch.manual_seed(seed)
        front = [_transformer(layer)] if layer else []
        model = nn.Sequential(*front, *_convolutions(), nn.LazyLinear(width), nn.ReLU(), nn.Linear(width, 10))
        with torch.no_grad():
            model(torch.zeros(1, 1, CANVAS, CANVAS))
        return model

    return within_budget(of_width, n_params)  # type: ignore[no-any-return]


def _tensor(digits: Digits) -> torch.Tensor:
    return torch.from_numpy(digits.images).permute(0, 3, 1, 2).contiguous()


def train(model: nn.Module, digits: Digits, epochs: int, seed: int, after_epoch: Callable[[], Any]) -> float:
    """Trains and returns the seconds per epoch."""
    images, classes = _tensor(digits), torch.from_numpy(digits.classes)
    optimizer = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    n_steps = epochs * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    generator = torch.Generator().manual_seed(seed)
    start = time.perf_counter()
    for _ in range(epochs):
        for batch in torch.randperm(len(images), generator=generator).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), classes[batch]).backward()
            optimizer.step()
            schedule.step()
        after_epoch()
    return (time.perf_counter() - start) / epochs


def accuracy(model: nn.Module, digits: Digits) -> float:
    with torch.no_grad():
        return float((model(_tensor(digits)).argmax(1) == torch.from_numpy(digits.classes)).float().mean())


def seen(model: Any, digits: Digits) -> Any:
    """(N, h, w): what the layer in front makes of the images."""
    with torch.no_grad():
        return model[0](_tensor(digits))[:, 0].numpy()
