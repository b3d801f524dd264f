"""The oracle of :mod:`cpabx.testing.oracle` in any dimension, from a list of simplices.

Slower still, since it looks every point up among all simplices, and as independent of libcpab: what it
takes from there is which vertices a simplex has, which tests check by the simplices' volumes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import expm

from cpabx.testing.oracle import Oracle2D

Array = NDArray[np.float64]
Region = tuple[int, ...]


class Segment(NamedTuple):
    """A part of a trajectory within one region: where it begins, and how long it takes."""

    region: Region
    start: Array
    duration: float


class TooManyRegionsError(RuntimeError):
    """The oracle goes astray: a trajectory creeps away from a face more slowly than numbers can resolve."""


class OracleND:
    """One continuous piecewise-affine field on simplices that fill the box ``lower`` to ``upper``.

    Args:
        vertices: (V, n).
        simplices: (C, n + 1) indices of vertices.
        velocity: (V, n).
        lower, upper: (n,) the box.
        outside: ``"linear"`` or ``"nearest"``, as in :class:`cpabx.Cpab`.
    """

    def __init__(
        self,
        vertices: Array,
        simplices: NDArray[np.int64],
        velocity: Array,
        lower: Array,
        upper: Array,
        outside: str = "linear",
    ) -> None:
        self.n = vertices.shape[1]
        self.lower, self.upper, self.outside = np.asarray(lower, float), np.asarray(upper, float), outside
        corners = vertices[simplices]
        homogeneous = np.concatenate([corners, np.ones((*corners.shape[:2], 1))], axis=-1)
        #: (C, n + 1, n + 1): barycentric coordinates of [x; 1].
        self.coordinates = np.swapaxes(np.linalg.inv(homogeneous), -1, -2)
        #: (C, n, n + 1): velocity of [x; 1].
        self.matrices = np.einsum("ckd,cke->cde", velocity[simplices], self.coordinates)
        self.side_derivatives = np.zeros((self.n, 2, self.n))
        if outside == "linear":
            for axis in range(self.n):
                for high, bound in enumerate((self.lower, self.upper)):
                    touching = (np.abs(corners[..., axis] - bound[axis]) < 1e-9).sum(axis=1) == self.n
                    sign = 1 if high else -1
                    self.side_derivatives[axis, high] = sign * self.matrices[touching, :, axis].mean(axis=0)
        self._regions: dict[Region, tuple[Array, Array]] = {}

    def region(self, x: Array) -> Region:
        """The simplex at the nearest point of the box, then -1, 0 or 1 per axis: below, within, above."""
        inside = np.append(np.clip(x, self.lower, self.upper), 1.0)
        return (int(np.argmax((self.coordinates @ inside).min(axis=1))), *self._sides(x))

    def _sides(self, x: Array) -> tuple[int, ...]:
        return tuple(int(above) - int(below) for above, below in zip(x > self.upper, x < self.lower, strict=True))

    def velocity(self, x: Array) -> Array:
        """v(x) = v(nearest point) + per axis the distance beyond that side times its derivative."""
        generator, _ = self._affine(self.region(x))
        return np.asarray(generator[: self.n] @ np.append(x, 1.0))

    def _affine(self, region: Region) -> tuple[Array, Array]:
        """The generator of the flow in homogeneous coordinates, and rows that are positive in the region."""
        if region in self._regions:
            return self._regions[region]
        cell, sides = region[0], region[1:]
        nearest = np.eye(self.n + 1)
        generator = np.zeros((self.n + 1, self.n + 1))
        faces = []
        for axis, side in enumerate(sides):
            bound = self.upper[axis] if side > 0 else self.lower[axis]
            if side:
                beyond = np.zeros(self.n + 1)
                beyond[axis], beyond[-1] = side, -side * bound
                nearest[axis] = 0
                nearest[axis, -1] = bound
                generator[: self.n] += np.outer(self.side_derivatives[axis, int(side > 0)], beyond)
                faces.append(beyond)
            else:
                for sign, wall in ((1, self.lower[axis]), (-1, self.upper[axis])):
                    row = np.zeros(self.n + 1)
                    row[axis], row[-1] = sign, -sign * wall
                    faces.append(row)
        generator[: self.n] += self.matrices[cell] @ nearest
        rows = self.coordinates[cell] @ nearest
        faces += [row for row in rows if np.abs(row[:-1]).max() > 1e-9]
        self._regions[region] = (generator, np.array(faces))
        return self._regions[region]

    def generator(self, region: Region) -> Array:
        """(n + 1, n + 1): the matrix of the region's flow in homogeneous coordinates [x; 1]."""
        return self._affine(region)[0]

    def flow(self, x: Array, time: float = 1.0) -> Array:
        """phi(x, time) to rounding."""
        *_, end = self.path(x, time)
        return end.start

    def path(self, x: Array, time: float = 1.0) -> Iterator[Segment]:
        """The segments of phi(x, t) for t from 0 to ``time``; the last one has no duration."""
        x, left, sign = np.array(x, float), abs(time), np.sign(time)
        size = float((self.upper - self.lower).min())
        for _ in range(2_000):
            v = sign * self.velocity(x)
            speed = float(np.linalg.norm(v))
            nudge = min(1e-8 * size / speed, left) if speed > 0 else left
            region = self.region(x + nudge * v)
            if left <= 0:
                yield Segment(region, x, 0.0)
                return
            generator, faces = self._affine(region)
            leave = left
            if speed > 0:
                leave = Oracle2D._leaving_time(sign * generator, faces, np.append(x, 1.0), nudge, left)
            yield Segment(region, x, leave)
            if speed > 0:
                x = (expm(sign * generator * leave) @ np.append(x, 1.0))[: self.n]
            left -= leave
        raise TooManyRegionsError("the oracle met more than 2,000 regions")
