"""Errors against float64, computed in ways that share nothing with any contestant."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator

import cpabx
from benchmarks.settings import Array
from cpabx.testing.oracle_nd import OracleND

Numbers = NDArray[np.int64]

ITEMS, POINTS = 20, 20


def choice(batch: int, points: Array, lower: float, upper: float) -> tuple[Numbers, Numbers]:
    """(ITEMS, 1) items, and (ITEMS, POINTS) points inside of the domain, at random."""
    rng = np.random.default_rng(1)
    inside = np.flatnonzero(((points > lower) & (points < upper)).all(-1))
    return rng.integers(batch, size=(ITEMS, 1)), rng.choice(inside, size=(ITEMS, POINTS))


def moved(family: cpabx.Transformation, theta: Array, points: Array) -> Array:
    """Where points (N, P, n) go."""
    if isinstance(family, cpabx.Cpab):
        return _flow(family, theta, points)
    if isinstance(family, cpabx.ThinPlateSpline):
        return points + _spline(family.control_points, theta, points)
    rows = 3 if isinstance(family, cpabx.Homography) else 2
    matrices = np.tile(np.eye(3), (len(theta), 1, 1))
    matrices.reshape(-1, 9)[:, : theta.shape[1]] = theta
    homogeneous = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1) @ np.swapaxes(matrices, 1, 2)
    return homogeneous[..., :2] / (homogeneous[..., 2:] if rows == 3 else 1)


def _flow(family: cpabx.Cpab, theta: Array, points: Array) -> Array:
    tess = family.tessellation
    result = []
    for velocity, start in zip(np.asarray(family.velocity(theta)), points, strict=True):
        oracle = OracleND(tess.vertices, tess.cell_vertices, velocity, tess.lower, tess.upper, outside=tess.outside)
        result.append([oracle.flow(point) for point in start])
    return np.array(result)


def _spline(control_points: tuple[int, int], theta: Array, points: Array) -> Array:
    nx, ny = control_points
    centres = np.stack(np.meshgrid(np.linspace(-1, 1, nx), np.linspace(-1, 1, ny)), axis=-1).reshape(-1, 2)
    splines = [RBFInterpolator(centres, t.reshape(-1, 2), kernel="thin_plate_spline", degree=1) for t in theta]
    return np.array([spline(x) for spline, x in zip(splines, points, strict=True)])


def interpolated(images: Array, points: Array) -> Array:
    """(N, P) values of images (N, H, W) at points in [-1, 1]^2, bilinear, zero beyond the pixels."""
    height, width = images.shape[1:]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    item = np.arange(len(images))[:, None]
    x, y = (np.clip((points[..., d] + 1) / 2 * n + 0.5, 0, n + 1) for d, n in enumerate((width, height)))
    i, j = np.minimum(x.astype(int), width), np.minimum(y.astype(int), height)
    u, v = x - i, y - j
    upper = (1 - u) * padded[item, j, i] + u * padded[item, j, i + 1]
    lower = (1 - u) * padded[item, j + 1, i] + u * padded[item, j + 1, i + 1]
    return np.asarray((1 - v) * upper + v * lower)


def errors(result: Array, truth: Array) -> tuple[float, float]:
    """Largest and mean distance, over the last axis."""
    distance = np.linalg.norm(result - truth, axis=-1)
    return float(distance.max()), float(distance.mean())
