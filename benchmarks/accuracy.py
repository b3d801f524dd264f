"""Errors against independent oracles, by dimension and boundary.

Every pair is a random field and a random point; a field has 20 of them. Fields have theta ~ N(0, 1), scaled so
that the largest displacement is between 0 and a half of the domain. Errors of positions are in units of the
domain. The gradient is that of a random linear function of a field's results, by theta and by the points; its
errors are relative to its largest entry. Fields that lead all points into zeros of the field leave nothing of it:
where it is below 1e-10 of the cotangents, it is the rounding of either side, and counted instead.

    python benchmarks/accuracy.py [--pairs 10000] [--seed 0] [--processes 2]
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import cpabx
from cpabx.testing.oracle_gradient import GradientOracle

Array = NDArray[np.float64]

CELLS = ((5,), (4, 4), (2, 2, 2))
BOUNDARIES = (("free", "linear"), ("free", "nearest"), ("sliding", "nearest"), ("fixed", "nearest"))
POINTS_PER_FIELD = 20
DOMAIN = 2.0  # its width, as in [-1, 1]


class Setting(NamedTuple):
    cells: tuple[int, ...]
    boundary: str
    outside: str


class Errors(NamedTuple):
    """One number per pair; of gradients one per field."""

    displacement: Array
    double: Array
    single: Array
    double_gradient: Array
    single_gradient: Array


@functools.cache
def oracle_of(setting: Setting) -> GradientOracle:
    return GradientOracle(cpabx.Cpab(setting.cells, boundary=setting.boundary, outside=setting.outside))


def scaled(cpab: cpabx.Cpab, theta: Array, points: Array, displacement: float) -> Array:
    """Theta times the factor, found by bisection, that moves the farthest of the points this far."""
    low, high = 0.0, 1.0

    def most(factor: float) -> float:
        moved = cpab.transform(points[None], factor * theta[None])[0]
        return float(np.linalg.norm(moved - points, axis=1).max()) / DOMAIN

    while most(high) < displacement and high < 64:
        high *= 2
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if most(middle) < displacement else (low, middle)
    return low * theta


def relative(got: tuple[Array, Array], expected: tuple[Array, Array], cotangents: Array) -> Array:
    """(1,): of the largest entry; NaN where nothing is left of the gradient."""
    a, b = (np.concatenate([part.ravel() for part in gradient]) for gradient in (got, expected))
    size = np.abs(b).max()
    return np.array([np.abs(a - b).max() / size if size > 1e-10 * np.abs(cotangents).sum() else np.nan])


def field_errors(setting: Setting, seed: int, index: int) -> Errors:
    """The errors at the points of the index-th field, which depends on nothing else."""
    rng, oracle = np.random.default_rng([seed, index]), oracle_of(setting)
    cpab, shape = oracle.family, (POINTS_PER_FIELD, len(setting.cells))
    points, cotangents = rng.uniform(-1, 1, size=shape), rng.normal(size=shape)
    theta = scaled(cpab, rng.normal(size=cpab.n_params), points, rng.uniform(0, 0.5))
    field = oracle.field(theta)
    truth = [oracle.vjp(field, x, c) for x, c in zip(points, cotangents, strict=True)]
    moved, by_point, by_theta = (np.array(column) for column in zip(*truth, strict=True))
    errors, gradient_errors = [], []
    for dtype in (np.float64, np.float32):
        given = points[None].astype(dtype), theta[None].astype(dtype)
        errors.append(np.abs(cpab.transform(*given)[0] - moved).max(axis=1) / DOMAIN)
        gradient = cpab.vjp(*given, cotangents[None].astype(dtype))
        gradient_errors.append(relative(gradient, (by_point, by_theta.sum(axis=0)), cotangents))
    return Errors(np.linalg.norm(moved - points, axis=1) / DOMAIN, *errors, *gradient_errors)


def rows(pairs: int, seed: int, processes: int) -> Iterator[tuple[Setting, Errors]]:
    n_fields = -(-pairs // POINTS_PER_FIELD)
    with ProcessPoolExecutor(processes) as pool:
        for setting in (Setting(cells, *boundary) for cells in CELLS for boundary in BOUNDARIES):
            work = functools.partial(field_errors, setting, seed)
            found = pool.map(work, range(n_fields), chunksize=max(1, n_fields // (8 * processes)))
            yield setting, Errors(*(np.concatenate(column) for column in zip(*found, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000, help="per dimension and boundary")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="changes no number")
    arguments = parser.parse_args()
    print(
        "| cells | boundary, outside | pairs | displacement, mean (max) | float64 max | float32 max | float32 mean "
        "| gradient float64 max | gradient float32 max | fields without |"
    )
    print("| --- " * 10 + "|")
    for setting, e in rows(arguments.pairs, arguments.seed, arguments.processes):
        print(
            f"| {setting.cells} | {setting.boundary}, {setting.outside} | {len(e.displacement)} "
            f"| {e.displacement.mean():.2f} ({e.displacement.max():.2f}) | {e.double.max():.1e} "
            f"| {e.single.max():.1e} | {e.single.mean():.1e} | {np.nanmax(e.double_gradient):.1e} "
            f"| {np.nanmax(e.single_gradient):.1e} | {np.isnan(e.double_gradient).sum()} of {len(e.double_gradient)} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
