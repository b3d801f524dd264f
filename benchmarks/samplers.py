"""Images sampled at points that are given, beside torch's ``grid_sample``: one field of points for each image."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

import cpabx
from benchmarks.options import Options
from benchmarks.report import Measured, Row, TimesMore
from benchmarks.settings import USUAL
from benchmarks.timing import alternate, seconds
from cpabx.sampling import Sampling

TARGET = TimesMore(1)
#: What is differentiated, as (images, points).
TASKS = {
    "forward": (False, False),
    "forward + backward (points)": (False, True),
    "forward + backward (images)": (True, False),
    "forward + backward (both)": (True, True),
}


@dataclass(frozen=True)
class Problem:
    """Images (N, C, *size)."""

    batch: int
    channels: int
    size: tuple[int, ...]

    def __str__(self) -> str:
        channels = f"{self.channels} channel" + "s" * (self.channels > 1)
        return f"sampler, batch {self.batch}, {channels}, {'x'.join(map(str, self.size))}"


PROBLEMS = (Problem(100, 1, (42, 42)), Problem(100, 3, (42, 42)), Problem(4, 1, (32, 32, 32)))


def places(problem: Problem, generator: torch.Generator) -> Tensor:
    """(N, P, n): pixel centres that waves move by the usual share of the domain in the mean; some leave it."""
    ndim = len(problem.size)
    axes = [(torch.arange(size) + 0.5) / size * 2 - 1 for size in problem.size]
    centres = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flip(-1).reshape(1, -1, ndim)
    waves = 2 * torch.randn(problem.batch, ndim, ndim, generator=generator)
    phases = torch.randn(problem.batch, 1, ndim, generator=generator)
    moves = torch.sin(centres @ waves + phases)
    share: Tensor = 2 * USUAL / moves.norm(dim=-1).mean()
    return centres + moves * share


def ours(images: Tensor, points: Tensor, size: Sequence[int]) -> Tensor:
    sampled: Tensor = cpabx.get_backend("torch").sample(images, points, Sampling())
    return sampled.reshape(*images.shape[:2], *size)


def torchs(images: Tensor, points: Tensor, size: Sequence[int]) -> Tensor:
    sampled: Tensor = grid_sample(images, points.reshape(len(images), *size, len(size)), align_corners=False)
    return sampled


def rows(options: Options) -> Iterator[Row]:
    torch.set_num_threads(1)
    for problem in PROBLEMS:
        generator = torch.Generator().manual_seed(1)
        images = torch.rand(problem.batch, problem.channels, *problem.size, generator=generator)
        points = places(problem, generator)
        cotangent = torch.randn(images.shape, generator=generator)
        runs = {
            name: functools.partial(laps, sample, images, points, cotangent)
            for name, sample in {"cpabx": ours, "torch": torchs}.items()
        }
        times = alternate(runs, options.rounds)
        for task in TASKS:
            us, them = Measured("cpabx", times["cpabx"][task]), Measured("grid_sample", times["torch"][task])
            yield Row(str(problem), task, 1, us, them, TARGET, count=points.shape[0] * points.shape[1])


def laps(sample: Callable[..., Tensor], images: Tensor, points: Tensor, cotangent: Tensor) -> dict[str, float]:
    def step(images_too: bool, points_too: bool) -> None:
        leaves = images.detach().requires_grad_(images_too), points.detach().requires_grad_(points_too)
        sampled = sample(*leaves, images.shape[2:])
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        if wanted:
            torch.autograd.grad(sampled, wanted, cotangent)

    return {task: seconds(functools.partial(step, *which)) for task, which in TASKS.items()}
