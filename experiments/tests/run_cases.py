"""A framework that learns nothing but counts, to test what is around one."""

import dataclasses
import json

import numpy as np

from cpabx_experiments.data import Dataset
from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.material import Material
from cpabx_experiments.protocol.network import count
from cpabx_experiments.training.engines import Epoch, Training, TrainingDivergedError
from cpabx_experiments.training.run import Run

PROTOCOL = Protocol(
    data="mnist", models=("CNN", "ST-Affine"), training=Training(epochs=4, learning_rate=1e-3), seeds=(0, 1), every=2
)


class FakeTrainer:
    """Its one weight is a chaotic function of itself, the seed and the epoch: a lost or repeated epoch would show."""

    def __init__(self, engine, network, training, seed):
        self.engine, self.network, self.training, self.seed = engine, network, training, seed
        self.parameters, self.epoch, self.weight = count(network), 0, 0.3 + 0.01 * seed

    def train(self, data):
        self.engine.calls.append((self.seed, self.epoch))
        if self.engine.interrupt_at == len(self.engine.calls):
            raise KeyboardInterrupt
        if self.training.learning_rate > 1:
            raise TrainingDivergedError("a loss must be finite", "nan", "Lower the learning rate.")
        self.weight = 3.9 * self.weight * (1 - self.weight) * (1 - 1e-3 * self.epoch)
        self.epoch += 1
        return Epoch(1 - self.weight, self.weight, 0.1)

    def accuracy(self, data):
        return self.weight / 2

    def views(self, images):
        return images

    def theta(self, images):
        return images.reshape(len(images), -1)[:, :6].astype(np.float32)

    def save(self, path):
        if self.engine.rank == 0:
            path.write_text(json.dumps({"epoch": self.epoch, "weight": self.weight}))

    def load(self, path):
        found = json.loads(path.read_text())
        self.epoch, self.weight = found["epoch"], found["weight"]


class FakeEngine:
    name, version, rank, world = "torch", "fake 1.0", 0, 1

    def __init__(self, interrupt_at=None, rank=0):
        self.interrupt_at, self.rank, self.calls, self.made = interrupt_at, rank, [], []

    def prepare(self, threads=None, device=None):
        pass

    def meet(self):
        pass

    def trainer(self, network, training, seed, augment=None):
        self.made.append((seed, augment))
        return FakeTrainer(self, network, training, seed)


def digits(n=20):
    rng = np.random.default_rng(0)
    return Dataset("digits", rng.random((n, 28, 28, 1), np.float32), np.arange(n) % 10)


def run_in(out, engine=None, protocol=PROTOCOL, **changes):
    whole = Material(digits(), digits())
    return Run(dataclasses.replace(protocol, **changes), engine or FakeEngine(), lambda job: whole, out)


def numbers(results):
    """All but what a clock says."""
    return {
        job: dataclasses.replace(
            record, rows=[dataclasses.replace(row, seconds=0, test_seconds=None) for row in record.rows]
        )
        for job, record in results.items()
    }
