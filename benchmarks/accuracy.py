"""Errors against the independent oracle, by dimension and boundary.

Every pair is a random field and a random point. Fields have theta ~ N(0, 1), scaled so that the largest
displacement of 20 points is between 0 and a half of the domain. Errors are in units of the domain.

    python benchmarks/accuracy.py [--pairs 10000] [--seed 0]
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

import cpabx
from cpabx.testing.oracle_nd import OracleND

Array = NDArray[np.float64]

CELLS = ((5,), (4, 4), (2, 2, 2))
BOUNDARIES = (("free", "linear"), ("free", "nearest"), ("sliding", "nearest"), ("fixed", "nearest"))
POINTS_PER_FIELD = 20
DOMAIN = 2.0  # its width, as in [-1, 1]


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


def errors(cells: tuple[int, ...], boundary: str, outside: str, pairs: int, seed: int) -> tuple[Array, Array, Array]:
    """Displacements of all pairs, and errors in float64 and float32."""
    rng = np.random.default_rng(seed)
    cpab = cpabx.Cpab(cells, boundary=boundary, outside=outside)
    tess, n = cpab.tessellation, len(cells)
    displacement: list[Array] = []
    double: list[Array] = []
    single: list[Array] = []
    for _ in range(-(-pairs // POINTS_PER_FIELD)):
        points = rng.uniform(-1, 1, size=(POINTS_PER_FIELD, n))
        theta = scaled(cpab, rng.normal(size=cpab.n_params), points, rng.uniform(0, 0.5))
        velocity = cpab.velocity(theta[None])[0].reshape(-1, n)
        oracle = OracleND(tess.vertices, tess.cell_vertices, velocity, tess.lower, tess.upper, outside)
        expected = np.array([oracle.flow(x) for x in points])
        displacement.append(np.linalg.norm(expected - points, axis=1) / DOMAIN)
        for result, dtype in ((double, np.float64), (single, np.float32)):
            moved = cpab.transform(points[None].astype(dtype), theta[None].astype(dtype))[0]
            result.append(np.abs(moved - expected).max(axis=1) / DOMAIN)
    return np.concatenate(displacement), np.concatenate(double), np.concatenate(single)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000, help="per dimension and boundary")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| cells | boundary, outside | pairs | displacement, mean (max) | float64 max | float32 max | float32 mean |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for cells in CELLS:
        for boundary, outside in BOUNDARIES:
            moved, double, single = errors(cells, boundary, outside, arguments.pairs, arguments.seed)
            print(
                f"| {cells} | {boundary}, {outside} | {len(moved)} | {moved.mean():.2f} ({moved.max():.2f}) "
                f"| {double.max():.1e} | {single.max():.1e} | {single.mean():.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
