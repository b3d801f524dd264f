"""What is measured: one call of each on a batch of images, with a map of each image's own, or as it says."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import cpabx
from benchmarks.machine import version

BATCH, CHANNELS, SIDE = 16, 3, 224
CELLS = ((2, 2), (3, 3), (4, 4), (8, 8), (16, 16))


@dataclass(frozen=True)
class Contestant:
    """An augmentation that is called once for ``n_images``."""

    name: str
    call: Callable[[], Any]
    n_images: int


def images(dtype: torch.dtype = torch.float32) -> Tensor:
    """(N, C, H, W) of random numbers in [0, 1], or of 8 bits."""
    x = torch.rand(BATCH, CHANNELS, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return x if dtype.is_floating_point else (x * 255).to(dtype)


def of_cpabx() -> Iterator[Contestant]:
    """Batches of floats by several cells; then other uses of the default."""
    floats, bytes_ = images(), images(torch.uint8)
    for cells in CELLS:
        augment = cpabx.augment.RandomCPAB(cells, backend="torch")
        yield Contestant(f"cpabx RandomCPAB {cells}", functools.partial(augment, floats), BATCH)
    augment = cpabx.augment.RandomCPAB(backend="torch")
    yield Contestant("cpabx RandomCPAB (4, 4), uint8", lambda: augment(bytes_), BATCH)
    yield Contestant("cpabx RandomCPAB (4, 4), one by one", lambda: [augment(image) for image in floats], BATCH)
    yield Contestant("cpabx RandomCPAB (4, 4), uint8, one by one", lambda: [augment(x) for x in bytes_], BATCH)
    one = cpabx.augment.RandomCPAB(per_image=False, backend="torch")
    yield Contestant("cpabx RandomCPAB (4, 4), one map of all", lambda: one(floats), BATCH)


def of_torchvision() -> Iterator[Contestant]:
    """Which draw one map in a call."""
    v2 = importlib.import_module("torchvision.transforms.v2")
    name, few = f"torchvision {version('torchvision')}", 4
    floats, bytes_ = images(), images(torch.uint8)
    elastic, affine = v2.ElasticTransform(), v2.RandomAffine(10)
    yield Contestant(f"{name} ElasticTransform, one by one", lambda: [elastic(x) for x in floats[:few]], few)
    yield Contestant(f"{name} ElasticTransform, uint8, one by one", lambda: [elastic(x) for x in bytes_[:few]], few)
    yield Contestant(f"{name} ElasticTransform, one map of all", lambda: elastic(floats), BATCH)
    yield Contestant(f"{name} RandomAffine, one by one", lambda: [affine(image) for image in floats], BATCH)


def of_kornia() -> Iterator[Contestant]:
    """Which draw a map for each image."""
    kornia = importlib.import_module("kornia.augmentation")
    floats = images()
    for kind in ("RandomElasticTransform", "RandomThinPlateSpline"):
        augment = getattr(kornia, kind)(p=1.0)
        yield Contestant(f"kornia {version('kornia')} {kind}", functools.partial(augment, floats), BATCH)
    augment = cpabx.augment.for_kornia(p=1.0)
    yield Contestant("cpabx for_kornia (4, 4)", lambda: augment(floats), BATCH)
