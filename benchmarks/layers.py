"""Spatial transformers with theta given: one channel, the paper's images, beside torch's affine one and kornia's."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

import cpabx
from benchmarks import truth
from benchmarks.machine import version
from benchmarks.options import Options
from benchmarks.report import Measured, Row, Target, TimesLess, TimesMore
from benchmarks.settings import DISPLACEMENTS, PLANE, USUAL, Array, drawn, mean_displacement, scaled
from benchmarks.timing import alternate, seconds

BATCH, SIDE = PLANE.batch, PLANE.side
WIDTH = 2.0  # of [-1, 1]
CPAB, SPLINE, HOMOGRAPHY = cpabx.Cpab(PLANE.cells), cpabx.ThinPlateSpline((4, 4)), cpabx.Homography()
WORKLOAD = f"ST layers, batch {BATCH}, 1 channel, {SIDE}x{SIDE}"
#: What is differentiated: the first layer of a network needs no gradient of its images, later ones do.
THETA, THETA_AND_IMAGES = "forward + backward (theta)", "forward + backward (theta, images)"


@dataclass(frozen=True)
class Layer:
    """A layer (images (N, 1, H, W), theta) -> images.

    Attributes:
        family: what theta means.
        exact: whether the layer applies exactly that family.
    """

    name: str
    family: cpabx.Transformation
    warp: Callable[[Tensor, Tensor], Tensor]
    exact: bool = True


# -- contestants ---------------------------------------------------------------------------------


def layers() -> dict[str, Layer]:
    """All, by what they are called below."""
    kornia = f"of kornia {version('kornia')}"
    return {
        "STCPAB": Layer("cpabx", CPAB, CPAB.warp),
        "STThinPlateSpline": Layer("cpabx", SPLINE, SPLINE.warp),
        "STHomography": Layer("cpabx", HOMOGRAPHY, HOMOGRAPHY.warp),
        "affine": Layer("affine ST of torch", cpabx.Affine(), affine_of_torch),
        "unfused": Layer("transform, then grid_sample", CPAB, functools.partial(unfused, pixels())),
        # Its splines have their kernels at the displaced control points: another map through the same points.
        "kornia spline": Layer(f"TPS-16 ST {kornia}", SPLINE, spline_of_kornia, exact=False),
        "kornia homography": Layer(f"homography ST {kornia}", HOMOGRAPHY, homography_of_kornia),
    }


def affine_of_torch(images: Tensor, theta: Tensor) -> Tensor:
    grid = affine_grid(theta.reshape(-1, 2, 3), list(images.shape), align_corners=False)
    return grid_sample(images, grid, align_corners=False)


def unfused(points: Tensor, images: Tensor, theta: Tensor) -> Tensor:
    grid = CPAB.transform(points, theta).reshape(-1, SIDE, SIDE, 2)
    return grid_sample(images, grid, align_corners=False)


def spline_of_kornia(images: Tensor, theta: Tensor) -> Tensor:
    kornia = importlib.import_module("kornia.geometry.transform")
    axis = torch.linspace(-1, 1, 4)
    regular = torch.cartesian_prod(axis, axis).flip(-1).expand(len(theta), -1, -1)
    displaced = regular + theta.reshape(-1, 16, 2)
    weights = kornia.get_tps_transform(regular, displaced)
    return kornia.warp_image_tps(images, displaced, *weights)  # type: ignore[no-any-return]


def homography_of_kornia(images: Tensor, theta: Tensor) -> Tensor:
    kornia = importlib.import_module("kornia.geometry.transform")
    matrices = torch.cat([theta, torch.ones_like(theta[:, :1])], dim=1).reshape(-1, 3, 3)
    return kornia.homography_warp(images, matrices, (SIDE, SIDE))  # type: ignore[no-any-return]


# -- what they are given -------------------------------------------------------------------------


def pixels() -> Tensor:
    """(H * W, 2) centres in [-1, 1]^2, row by row, x first."""
    axis = (torch.arange(SIDE) + 0.5) / SIDE * WIDTH - 1
    return torch.cartesian_prod(axis, axis).flip(-1)


def parameters(family: cpabx.Transformation, displacement: float) -> Tensor:
    """(N, d) random ones that move the pixels by this mean displacement."""
    grid = pixels().double().numpy()
    identity = np.asarray(family.identity(BATCH, dtype="float64"))

    def moved(noise: Array) -> float:
        return mean_displacement(np.asarray(family.transform(grid, identity + noise)), grid, WIDTH)

    noise = scaled(moved, drawn(family.n_params, BATCH), displacement)
    return torch.from_numpy(identity + noise).float()


def some_images() -> Tensor:
    return torch.rand(BATCH, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def laps(layer: Layer, images: Tensor, theta: Tensor, cotangent: Tensor) -> dict[str, float]:
    def step(images_too: bool) -> None:
        leaves = (theta.detach().requires_grad_(), images.detach().requires_grad_(images_too))
        torch.autograd.grad(layer.warp(leaves[1], leaves[0]), leaves[: 1 + images_too], cotangent)

    return {THETA: seconds(lambda: step(False)), THETA_AND_IMAGES: seconds(lambda: step(True))}


def problem(layer: Layer, images: Tensor, theta: Tensor) -> str:
    """Why a layer cannot run; empty if it can."""
    try:
        layer.warp(images, theta)
    except Exception as error:  # a peer's, or that it is not installed
        return f"{type(error).__name__}: {error}"
    return ""


def errors(layer: Layer, images: Tensor, theta: Tensor) -> tuple[float, float] | None:
    """The errors of the resulting pixels; the values of the images are in [0, 1]."""
    if not layer.exact:
        return None
    grid = pixels().double().numpy()
    items, chosen = truth.choice(BATCH, grid, -1, 1)
    places = truth.moved(layer.family, theta.double().numpy()[items[:, 0]], grid[chosen])
    expected = truth.interpolated(images.double().numpy()[items[:, 0], 0], places)
    result = layer.warp(images, theta).reshape(BATCH, -1).double().numpy()[items, chosen]
    return truth.errors(result[..., None], expected[..., None])


# -- comparisons ---------------------------------------------------------------------------------

#: Ours, the other, and what is to be reached where it is not of each displacement.
PAIRS: tuple[tuple[str, str, Target | None], ...] = (
    ("STCPAB", "affine", None),
    ("STCPAB", "kornia spline", TimesLess(4)),
    ("STCPAB", "unfused", TimesLess(1.25)),
    ("STThinPlateSpline", "affine", TimesMore(1.5)),
    ("STThinPlateSpline", "kornia spline", None),
    ("STHomography", "affine", TimesMore(1.2)),
    ("STHomography", "kornia homography", None),
)
#: Of STCPAB beside the affine layer.
BY_DISPLACEMENT = dict(zip(DISPLACEMENTS, (TimesMore(2), TimesMore(2.5), TimesMore(6)), strict=True))


def rows(options: Options) -> Iterator[Row]:
    for displacement in DISPLACEMENTS:
        for threads in options.threads if displacement == USUAL else options.threads[:1]:
            yield from compared(displacement, threads, options.rounds)


def compared(displacement: float, threads: int, rounds: int) -> Iterator[Row]:
    torch.set_num_threads(threads)
    images = some_images()
    cotangent = torch.randn(images.shape, generator=torch.Generator().manual_seed(2))
    every = layers()
    theta = {name: parameters(layer.family, displacement) for name, layer in every.items()}
    problems = {name: problem(layer, images, theta[name]) for name, layer in every.items()}
    found = {name: layer for name, layer in every.items() if not problems[name]}
    runs = {name: functools.partial(laps, layer, images, theta[name], cotangent) for name, layer in found.items()}
    times = alternate(runs, rounds)
    wrong = {name: errors(layer, images, theta[name]) for name, layer in found.items()}
    usual = displacement == USUAL and threads == 1
    for ours, other, target in PAIRS if displacement == USUAL else PAIRS[:3]:
        for task in (THETA, THETA_AND_IMAGES):
            what = f"{ours}, {task}, {displacement:.0%}"
            goal: Target | None = target if usual else None
            if (ours, other, threads) == ("STCPAB", "affine", 1):
                goal = BY_DISPLACEMENT[displacement]
            reasons = "; ".join(filter(None, (problems[ours], problems[other])))
            if reasons:
                yield Row(WORKLOAD, what, threads, target=goal, problem=reasons)
                continue
            us, them = (
                Measured(found[n].name, times[n][task], wrong[n] if task == THETA else None) for n in (ours, other)
            )
            yield Row(WORKLOAD, what, threads, us, them, goal, count=BATCH * SIDE**2)
