"""How far localization networks straighten bent digits when nothing else can be learned.

A CNN learns straight digits of MNIST, and is then held fixed behind a spatial transformer. The transformer's
localization network learns from digits that random CPAB transformations have bent, in the middle of the canvas, as
those of the experiment ``mnist-cpab`` are before they are moved. All transformers have the same classifier behind them.
Digits to test with are 5,000 of the training set that were not trained on. 10 minutes on one core.

    python benchmarks/straightening.py --data data [--seed 0] [--epochs 16]
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from cpabx_experiments.data import Dataset, load
from cpabx_experiments.data.distortions import BENDING, CANVAS, STRENGTH
from cpabx_experiments.data.subset import split, subset
from cpabx_experiments.protocol.models import network
from cpabx_experiments.training.engines.with_torch import Model

DATA, VIEW = "mnist-cpab", (21, 21)
TRAIN, TEST, BATCH, RATE = 20_000, 5_000, 100, 1e-3
CLASSIFIER_EPOCHS = 6
CONTESTANTS = (("ST-Affine", "orthonormal"), ("ST-CPAB", "orthonormal"), ("ST-CPAB", "normalized"))


class Digits(NamedTuple):
    """(N, 1, 42, 42) images before and after they were bent, and (N,) labels."""

    straight: Tensor
    bent: Tensor
    labels: Tensor


def digits(data: Dataset, seed: int) -> Digits:
    scale = 255 if data.images.dtype == np.uint8 else 1
    margin = (CANVAS - data.images.shape[1]) // 2
    sides = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    straight = np.pad(data.images.astype(np.float32) / scale, sides)
    theta = STRENGTH * np.random.default_rng(seed).standard_normal((len(straight), BENDING.n_params))
    bent: Any = BENDING.warp(straight, theta.astype(np.float32), backend="numpy")
    first, second = (torch.from_numpy(np.ascontiguousarray(i.transpose(0, 3, 1, 2))) for i in (straight, bent))
    return Digits(first, second, torch.from_numpy(data.labels.astype(np.int64)))


def train(model: Model, parameters: Iterable[nn.Parameter], images: Tensor, labels: Tensor, epochs: int) -> None:
    """Some of the parameters, with Adam and a learning rate that falls to 0 along half a cosine."""
    optimizer = torch.optim.Adam(parameters, RATE)
    batches = epochs * math.ceil(len(images) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, batches)
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            model.zero_grad()
            nn.functional.cross_entropy(model(images[part]), labels[part]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()


@torch.inference_mode()
def accuracy(model: Model, images: Tensor, labels: Tensor) -> float:
    found = torch.cat([model(images[start : start + 500]).argmax(1) for start in range(0, len(images), 500)])
    return float((found == labels).float().mean())


def rows(seed: int, epochs: int, training: Digits, test: Digits) -> Iterator[tuple[str, float, float]]:
    """Name, and accuracy of training and test digits."""
    plain = network("CNN", DATA, view=VIEW)
    torch.manual_seed(seed)
    classifier = Model(plain)
    train(classifier, classifier.parameters(), training.straight, training.labels, CLASSIFIER_EPOCHS)
    for name in ("straight", "bent"):
        mine, others = (accuracy(classifier, getattr(part, name), part.labels) for part in (training, test))
        yield f"{name} digits, no transformer", mine, others
    for layer, basis in CONTESTANTS:
        torch.manual_seed(seed)
        model = Model(replace(plain, transformer=network(layer, DATA, view=VIEW, basis=basis).transformer))
        model.features.load_state_dict(classifier.features.state_dict())
        model.last.load_state_dict(classifier.last.state_dict())
        train(model, model.view.parameters(), training.bent, training.labels, epochs)
        mine, others = (accuracy(model, part.bent, part.labels) for part in (training, test))
        yield f"bent digits, {layer}" + (f", {basis}" if layer == "ST-CPAB" else ""), mine, others


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of data sets, with mnist in it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=16)
    arguments = parser.parse_args()
    rest, held_out = split(load("mnist", arguments.data, "train"), TEST, arguments.seed)
    training, test = (digits(part, arguments.seed + n) for n, part in enumerate((subset(rest, TRAIN, 0), held_out)))
    print("| | training digits | test digits |\n| --- | --- | --- |")
    for name, mine, others in rows(arguments.seed, arguments.epochs, training, test):
        print(f"| {name} | {mine:.3f} | {others:.3f} |", flush=True)


if __name__ == "__main__":
    main()
