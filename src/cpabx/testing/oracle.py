"""An independent integrator of 2D continuous piecewise-affine velocity fields, to test against.

It shares no code and no idea with libcpab: positions are Cartesian, a region is found from a point's
coordinates, the flow inside a region is scipy's matrix exponential, and the moment of leaving it is
found by bracketing and ``scipy.optimize.brentq``. Slow (milliseconds a point) and exact to rounding.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq

Array = NDArray[np.float64]
Region = tuple[int, ...]


class Oracle2D:
    """One velocity field on ``cells`` rectangles of the box ``lower`` to ``upper``.

    Args:
        cells: (nx, ny).
        velocity: (V, 2) velocities at the grid corners, x fastest, then at the centres, x fastest.
        lower, upper: the box.
        outside: ``"linear"`` or ``"nearest"``, as in :class:`cpabx.Cpab`.
    """

    def __init__(
        self,
        cells: tuple[int, int],
        velocity: Array,
        lower: tuple[float, float] = (-1.0, -1.0),
        upper: tuple[float, float] = (1.0, 1.0),
        outside: str = "linear",
    ) -> None:
        nx, ny = self.cells = cells
        self.lower, self.upper = np.array(lower, float), np.array(upper, float)
        self.width = (self.upper - self.lower) / cells
        n_corners = (nx + 1) * (ny + 1)
        self.corners = np.asarray(velocity, float)[:n_corners].reshape(ny + 1, nx + 1, 2)
        self.centres = np.asarray(velocity, float)[n_corners:].reshape(ny, nx, 2)
        self.outside = outside
        self._affine: dict[Region, Array] = {}
        self._faces: dict[Region, Array] = {}

    # -- regions: (i, j, k) for triangle k of rectangle (i, j), and beyond the box
    #    (side_x, side_y, i, j, part) with the rectangle that is nearest.

    def region(self, x: Array) -> Region:
        """Name of the affine region that holds x; points on a border belong to any of its regions."""
        u = (x - self.lower) / self.width
        i, j = (int(np.clip(np.floor(u[d]), 0, self.cells[d] - 1)) for d in (0, 1))
        side = [-1 if u[d] < 0 else int(u[d] > self.cells[d]) for d in (0, 1)]
        if side[0] or side[1]:
            beyond = np.maximum(np.maximum(-u, u - np.array(self.cells)), 0)
            return (*side, i, j, int(beyond[1] > beyond[0]) if side[0] and side[1] else 0)
        p, q = u[0] - i - 0.5, u[1] - j - 0.5
        k = (1 if p > 0 else 3) if abs(p) > abs(q) else (2 if q > 0 else 0)
        return (i, j, k)

    def faces(self, region: Region) -> Array:
        """Rows (a, b, c) such that the region is where a x + b y + c >= 0 for all of them."""
        if region not in self._faces:
            self._faces[region] = self._make_faces(region)
        return self._faces[region]

    def _make_faces(self, region: Region) -> Array:
        nx, ny = self.cells
        rows: list[tuple[float, float, float]]  # in cell units first
        if len(region) == 3:
            i, j, k = region
            p, q = (1.0, 0.0, -i - 0.5), (0.0, 1.0, -j - 0.5)
            out, along = {0: (q, p), 1: (p, q), 2: (q, p), 3: (p, q)}[k]
            sign = 1.0 if k in (1, 2) else -1.0
            o, a = sign * np.array(out), np.array(along)
            rows = [tuple(o - a), tuple(o + a), tuple(np.array([0, 0, 0.5]) - o)]
        else:
            sx, sy, i, j, _ = region
            rows = []
            bx = (sx, 0.0, -nx if sx > 0 else 0.0)  # distance beyond the box, if sx
            by = (0.0, sy, -ny if sy > 0 else 0.0)
            if sx:
                rows.append(bx)
            else:
                rows += [(1.0, 0.0, -i)] * (i > 0) + [(-1.0, 0.0, i + 1.0)] * (i < nx - 1)
                rows += [(1.0, 0.0, 0.0)] * (i == 0) + [(-1.0, 0.0, float(nx))] * (i == nx - 1)
            if sy:
                rows.append(by)
            else:
                rows += [(0.0, 1.0, -j), (0.0, -1.0, j + 1.0)]
        result = np.array(rows, float)
        result[:, 2] -= result[:, :2] @ (self.lower / self.width)
        result[:, :2] /= self.width
        return result

    # -- the field

    def velocity(self, x: Array) -> Array:
        """The velocity at a point, from the definition."""
        x = np.asarray(x, float)
        inside = np.clip(x, self.lower, self.upper)
        v = self._velocity_inside(inside)
        if self.outside == "linear":
            for d in (0, 1):
                for side, beyond in ((-1, self.lower[d] - x[d]), (1, x[d] - self.upper[d])):
                    if beyond > 0:
                        v = v + beyond * self._side_derivative(d, side)
        return v

    def _velocity_inside(self, x: Array) -> Array:
        u = (x - self.lower) / self.width
        i, j = (int(np.clip(np.floor(u[d]), 0, self.cells[d] - 1)) for d in (0, 1))
        p, q = u[0] - i - 0.5, u[1] - j - 0.5
        corner, centre = self.corners, self.centres[j, i]
        if abs(p) > abs(q):
            c = i + (p > 0)
            low, high, r, s = corner[j, c], corner[j + 1, c], abs(p), q
        else:
            c = j + (q > 0)
            low, high, r, s = corner[c, i], corner[c, i + 1], abs(q), p
        return np.asarray(centre + 2 * r * ((low + high) / 2 - centre) + s * (high - low))

    def _side_derivative(self, axis: int, side: int) -> Array:
        """Mean outward derivative, along unit length, of the cells of one side of the box."""
        edge = self.corners[:, 0 if side < 0 else -1] if axis == 0 else self.corners[0 if side < 0 else -1]
        inner = self.centres[:, 0 if side < 0 else -1] if axis == 0 else self.centres[0 if side < 0 else -1]
        return np.asarray(np.mean((edge[:-1] + edge[1:]) / 2 - inner, axis=0) / (self.width[axis] / 2))

    def affine(self, region: Region, inside: Array) -> Array:
        """(3, 3) generator of the region's flow in homogeneous coordinates. ``inside`` lies in it."""
        if region not in self._affine:
            points = self._three_points(region, inside)
            values = np.array([self.velocity(p) for p in points])
            matrix = np.linalg.solve(np.column_stack([points, np.ones(3)]), values).T
            self._affine[region] = np.vstack([matrix, np.zeros(3)])
        return self._affine[region]

    def _three_points(self, region: Region, inside: Array) -> Array:
        """Three well spread points of a region, from which its affine map is read."""
        if len(region) == 3:
            i, j, k = region
            di, dj = [0, 1, 1, 0, 0], [0, 0, 1, 1, 0]
            u = np.array([[i + 0.5, j + 0.5], [i + di[k], j + dj[k]], [i + di[k + 1], j + dj[k + 1]]])
            u = 0.9 * u + 0.1 * u.mean(0)
            return np.asarray(self.lower + u * self.width)
        sx, sy, i, j, _ = region
        step = self.width * 0.3
        x = np.array([i + 0.4, j + 0.4]) * self.width + self.lower
        x = np.where([sx < 0, sy < 0], self.lower - step, np.where([sx > 0, sy > 0], self.upper + step, x))
        towards = np.where([sx, sy], np.array([sx, sy], float), 1.0)
        return np.array([x, x + towards * step * [1, 0], x + towards * step * [0, 1]])

    # -- integration

    def flow(self, x: Array, time: float = 1.0) -> Array:
        """phi(x, time) to rounding."""
        x, left, sign = np.array(x, float), abs(time), np.sign(time)
        for _ in range(100_000):
            v = sign * self.velocity(x)
            speed = float(np.linalg.norm(v))
            if left <= 0 or speed == 0:
                return x
            nudge = min(1e-7 * float(self.width.min()) / speed, left)
            region = self.region(x + nudge * v)
            generator = sign * self.affine(region, x)
            leave = self._leaving_time(generator, self.faces(region), np.append(x, 1.0), nudge, left)
            x = (expm(generator * leave) @ np.append(x, 1.0))[:2]
            left -= leave
        raise RuntimeError("the oracle met too many regions")

    @staticmethod
    def _leaving_time(generator: Array, faces: Array, x: Array, nudge: float, left: float) -> float:
        """First time in (nudge, left] when one of the faces' functions turns negative, else ``left``."""
        n_samples = 6 + int(np.ceil(6 * left * np.abs(generator).sum()))
        times = np.linspace(nudge, left, n_samples)
        step = expm(generator * (times[1] - times[0])) if n_samples > 1 else np.eye(3)
        path = [expm(generator * nudge) @ x]
        for _ in times[1:]:
            path.append(step @ path[-1])
        first = left
        for face in faces:

            def value(t: float, face: Array = face) -> float:
                return float(face @ expm(generator * t) @ x)

            def slope(t: float, face: Array = face) -> float:
                return float(face @ generator @ expm(generator * t) @ x)

            for a, b, xa, xb in zip(times, times[1:], path, path[1:], strict=False):
                if a >= first:
                    break
                # Behind a face only by more than rounding: some trajectories run along one.
                low = b if face @ xb < -1e-14 else None
                if low is None and face @ generator @ xa < 0 < face @ generator @ xb and slope(a) < 0 < slope(b):
                    dip = brentq(slope, a, b, xtol=1e-16)
                    low = dip if value(dip) < -1e-15 else None
                if low is not None:
                    leaves = brentq(value, a, low, xtol=1e-16) if value(a) > 0 > value(low) else a
                    first = min(first, max(leaves, nudge))
                    break
        return first

    def solve_ivp(self, x: Array, time: float = 1.0) -> Array:
        """phi(x, time) from a general ODE solver; good to about 1e-9 where the field has kinks."""
        sign = np.sign(time)
        solution = solve_ivp(
            lambda _, y: sign * self.velocity(y),
            (0, abs(time)),
            np.array(x, float),
            "DOP853",
            rtol=1e-11,
            atol=1e-12,
            max_step=0.02,
        )
        return np.array(solution.y[:, -1])
