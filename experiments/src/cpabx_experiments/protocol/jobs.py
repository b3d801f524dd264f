"""A job: one training of one network; an experiment is a list of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from cpabx_experiments.protocol.experiments import Protocol
from cpabx_experiments.protocol.models import network
from cpabx_experiments.protocol.network import Network, count
from cpabx_experiments.training.engines import Training

#: Folds of LFW's View 2.
FOLDS = 10


@dataclass(frozen=True)
class Job:
    """One network, one seed, one learning rate.

    Attributes:
        model: one of :data:`cpabx_experiments.protocol.models.MODELS`.
        seed: of the initial weights and of the order of the images; of LFW, it is tested on fold ``seed % 10``.
        rate: of Adam.
    """

    model: str
    seed: int
    rate: float

    @property
    def stem(self) -> str:
        """The stem of the names of its files, without characters that a file system minds."""
        name = self.model.replace(" ", "-").replace("+", "-and-")
        return f"{name}_rate{self.rate:g}_seed{self.seed}"

    @property
    def fold(self) -> int:
        return self.seed % FOLDS

    def network(self, protocol: Protocol) -> Network:
        p = protocol
        return network(self.model, p.data, side=p.side, view=p.view, full=p.large, basis=p.basis)

    def training(self, protocol: Protocol) -> Training:
        return replace(protocol.training, learning_rate=self.rate)


def jobs(protocol: Protocol) -> list[Job]:
    """All jobs of a protocol, seed by seed: what is stopped halfway has a result of each model."""
    rates = protocol.rates or (protocol.training.learning_rate,)
    return [Job(model, seed, rate) for seed in protocol.seeds for rate in rates for model in protocol.models]


def parameters(protocol: Protocol) -> dict[str, int]:
    """The number of parameters of each model."""
    return {model: count(Job(model, 0, 1.0).network(protocol)) for model in protocol.models}


__all__ = ["FOLDS", "Job", "jobs", "parameters"]
