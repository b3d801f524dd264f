"""Small networks and data for the tests of engines."""

import numpy as np

from cpabx.testing.plugin import backend_or_skip
from cpabx_experiments.data import Dataset, Pairs
from cpabx_experiments.protocol.models import LAYERS
from cpabx_experiments.protocol.network import Convolution, Features, Network, Transformer
from cpabx_experiments.training.engines import load_engine

SIDE = 12
SMALL = Features(convolutions=(Convolution(4, 3), Convolution(6, 3)), dense=(8,))


def engine_of(name):
    """Ready for use, or a skip where the framework is not installed."""
    backend_or_skip(name)
    engine = load_engine(name)
    engine.prepare(threads=1)
    return engine


def network(model="ST-CPAB", *, task="classes", outputs=3, channels=1, basis="orthonormal"):
    layer, localization = LAYERS[model], Features(2, (Convolution(3, 3),), (6,))
    transformer = Transformer(layer, localization, cells=(2, 2), basis=basis) if layer else None
    return Network((SIDE, SIDE, channels), SMALL, outputs, task, transformer)


def bars(n, seed=0, shift=2):
    """Images of a horizontal, a vertical and a diagonal bar, somewhere: what it takes to tell them apart is little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    x = x - rng.integers(-shift, shift + 1, (n, 1, 1))
    y = y - rng.integers(-shift, shift + 1, (n, 1, 1))
    distance = np.choose(labels[:, None, None], [y, x, (x - y) / np.sqrt(2)])
    images = np.exp(-(distance**2)) * (x**2 + y**2 < 20)
    return Dataset("bars", images[..., None].astype(np.float32), labels.astype(np.int64))


def attributes(n, outputs=2):
    """Bars and whether they are the first, the second, ..."""
    data = bars(n)
    return Dataset("attributes", data.images, (data.labels[:, None] == np.arange(outputs)).astype(np.float32))


def pairs(n, seed=0):
    """Pairs of bars, as bytes, and whether they have one direction."""
    data = bars(30, seed)
    left, right = np.random.default_rng(seed).integers(0, 30, (2, n))
    same = (data.labels[left] == data.labels[right]).astype(np.float32)
    return Pairs("pairs", (data.images * 255).astype(np.uint8), left, right, same)


def disturbed(trainer, seed=0, size=0.05):
    """Moves all weights a little, so that a transformer is not at the identity."""
    rng = np.random.default_rng(seed)
    trainer.set_weights([w + size * rng.standard_normal(w.shape).astype(np.float32) for w in trainer.weights()])
    return trainer
